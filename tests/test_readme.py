"""The responses printed in README.md are those of a shop with the sample catalogue."""

import argparse
import json
import re
import shlex
from io import StringIO
from pathlib import Path

from django.core.management import call_command
from django.http import HttpResponse
from django.test import TransactionTestCase

from backend.carts.services import LineQuantity, add_lines
from backend.core.redis import get_redis_client
from tests.catalog.pictures.storage import StorageCase
from tests.support.people import ADDRESS, make_user, make_viewer, open_session_token

README = Path(__file__).resolve().parents[1] / "README.md"
SHOP = "localhost:8000"
FORMATTER = "python3 -m json.tool --no-ensure-ascii"
# A command and the response below it.
EXAMPLE = re.compile(r"^```sh\n(curl [^\n]+)\n```\n```json\n(.+?)\n```$", re.MULTILINE | re.DOTALL)


def matches(printed: str, answer: str) -> bool:
    """Return whether an answer is the printed one, in which an ellipsis stands for any text."""
    return re.fullmatch(".*?".join(map(re.escape, printed.split("…"))), answer, re.DOTALL) is not None


class ReadmeTest(StorageCase, TransactionTestCase):
    # The examples name products by their ids in a new shop.
    reset_sequences = True

    def setUp(self) -> None:
        super().setUp()
        get_redis_client().flushdb()
        call_command("load_sample_catalogue", stdout=StringIO())
        user = make_user()
        self.token = open_session_token(user)
        add_lines(viewer=make_viewer(user), lines=[LineQuantity(6, 2)], address=ADDRESS)

    def run_curl(self, command: str) -> HttpResponse:
        """Send the request of a curl command. Options other than those of the README are errors."""
        parser = argparse.ArgumentParser(exit_on_error=False)
        parser.add_argument("-s", action="store_true")
        parser.add_argument("-H", action="append", default=[])
        parser.add_argument("-d")
        parser.add_argument("url")
        arguments = parser.parse_args(shlex.split(command.replace("$TOKEN", self.token))[1:])
        host, _, path = arguments.url.partition("/")
        assert host == SHOP
        headers = dict(header.split(": ", 1) for header in arguments.H)
        if arguments.d is None:
            return self.client.get(f"/{path}", headers=headers)
        media_type = headers.pop("Content-Type")
        return self.client.post(f"/{path}", arguments.d, content_type=media_type, headers=headers)

    def test_printed_answers_are_those_of_the_shop(self) -> None:
        examples = EXAMPLE.findall(README.read_text())
        assert len(examples) >= 5
        for command, printed in examples:
            with self.subTest(command[:100]):
                curl, _, formatter = command.partition(" | ")
                assert formatter in ("", FORMATTER)
                answer = self.run_curl(curl).content.decode()
                if formatter:
                    answer = json.dumps(json.loads(answer), indent=4, ensure_ascii=False)
                assert matches(printed, answer), f"{answer}\nis not\n{printed}"


def test_every_printed_answer_follows_its_command() -> None:
    text = README.read_text()

    assert text.count("```json\n") == len(EXAMPLE.findall(text))


def test_only_an_ellipsis_stands_for_other_text() -> None:
    assert matches('{"token":"…","total":"1.00"}', '{"token":"abc","total":"1.00"}')
    assert not matches('{"token":"…","total":"1.00"}', '{"token":"abc","total":"1,00"}')
    assert not matches('{"total":"1.00"}', '{"total":"1.00"} ')
