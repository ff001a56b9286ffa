"""The commands that the tour prints."""

import subprocess
from unittest import mock

from scripts.tour import MAX_COLUMNS, format_command, send, set_variable

URL = "http://localhost:8000/graphql"
# Prints its arguments, each with a zero byte.
CURL = "curl() { printf '%s\\0' \"$@\"; }"


def run_in_shell(script: str) -> list[str]:
    """Return the arguments of the last curl command of a script."""
    done = subprocess.run(["sh", "-c", f"{CURL}\n{script}"], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def test_long_values_keep_their_text_in_short_lines() -> None:
    for data in (
        '{"query": "{ products { nodes { name } } }"}',
        '{"name": "It\'s $HOME `id` \\\\ \\" кружка' + " and more" * 40 + '"}',
        "x" * 500,
        "'" * 300,
    ):
        command = format_command("POST", URL, {"Content-Type": "application/json"}, data)

        assert max(map(len, command.splitlines())) <= MAX_COLUMNS
        assert run_in_shell(command) == ["-s", URL, "-H", "Content-Type: application/json", "-d", data]


def test_tokens_are_variables() -> None:
    token = "eyJ" + "a1" * 150

    set_variable("TOKEN", token)
    command = format_command("DELETE", URL, {"Authorization": f"Bearer {token}", "Accept": "text/html"}, None)

    assert token not in command
    assert run_in_shell(f"TOKEN={token}\n{command}") == [
        *("-s", "-X", "DELETE", URL),
        *("-H", f"Authorization: Bearer {token}"),
        *("-H", "Accept: text/html"),
    ]


def test_token_in_a_body_is_a_variable() -> None:
    token = "r" * 43
    set_variable("REFRESH_TOKEN", token)
    data = '{"refresh_token": "' + token + '", "note": "it\'s"}'
    command = format_command("POST", URL, {}, data)

    assert token not in command
    assert run_in_shell(f"REFRESH_TOKEN={token}\n{command}") == ["-s", URL, "-d", data]


@mock.patch("scripts.tour.urlopen")
def test_response_without_a_body_is_printed_as_its_status(urlopen: mock.Mock, capsys) -> None:
    response = urlopen.return_value.__enter__.return_value
    response.read.return_value, response.status, response.reason = b"", 204, "No Content"

    assert send("POST", "/auth/logout", {}) is None
    assert capsys.readouterr().out.splitlines()[-1] == "HTTP 204 No Content"


def test_printed_assignment_has_the_value(capsys) -> None:
    token = "b2" * 150

    set_variable("TOKEN", token)
    assignment = capsys.readouterr().out

    assert max(map(len, assignment.splitlines())) <= MAX_COLUMNS
    assert run_in_shell(f'{assignment}curl "$TOKEN"') == [token]
