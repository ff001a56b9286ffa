"""Examples of the documents, run against a shop as a reader would run them from top to bottom.

A block in `sh` is a list of commands, one in `graphql` an operation. Blocks below it belong to it: one with
the title Variables has the variables of the operation, and another one the printed answer.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from backend.embedded.processes import PROJECT_DIR
from tests.embedded.shop import Shop
from tests.support.worker import wait_until

PRINTED_ADDRESS = "localhost:8000"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
MAX_SECONDS = 120
_END = "end-of-the-block"


@dataclass(frozen=True)
class Block:
    """A block of code in a page."""

    language: str
    title: str
    text: str


@dataclass(frozen=True)
class Example:
    """Commands or an operation, with the printed answer.

    Attributes:
        variables: those of an operation as JSON; empty without any.
        answer: None if the page prints none.
    """

    language: str
    text: str
    variables: str
    answer: str | None


def read_blocks(page: str) -> list[Block]:
    """Return the blocks of a page that name a language."""
    return [Block(*found) for found in BLOCK.findall(page)]


def read_examples(page: str) -> Iterator[Example]:
    """Yield the examples of a page in order.

    Raises:
        AssertionError: an answer or variables belong to no example.
    """
    blocks = [block for block in read_blocks(page) if block.language in {"sh", "graphql", "json", "text"}]
    while blocks:
        first = blocks.pop(0)
        assert first.language in {"sh", "graphql"}, f"no example above: {first.text}"
        variables = blocks.pop(0).text if blocks and blocks[0].title == "Variables" else ""
        has_answer = blocks and blocks[0].language in {"json", "text"}
        yield Example(first.language, first.text, variables, blocks.pop(0).text if has_answer else None)


def matches(printed: str, answer: str) -> bool:
    """Return whether an answer is the printed one, in which an ellipsis stands for any text."""
    return re.fullmatch(".*?".join(map(re.escape, printed.split("…"))), answer, re.DOTALL) is not None


def matches_value(printed: Any, value: Any) -> bool:
    """Return whether a JSON value is the printed one.

    An ellipsis in a text stands for any text, and as the last item of a list for all further items.
    """
    if isinstance(printed, dict):
        return (
            isinstance(value, dict)
            and printed.keys() == value.keys()
            and all(matches_value(printed[key], value[key]) for key in printed)
        )
    if isinstance(printed, list) and isinstance(value, list):
        if printed[-1:] == ["…"]:
            printed, value = printed[:-1], value[: len(printed) - 1]
        return len(printed) == len(value) and all(map(matches_value, printed, value))
    if isinstance(printed, str) and isinstance(value, str):
        return matches(printed, value)
    return bool(printed == value)


class Reader:
    """A reader of one page, who runs its examples in one shell and one GraphQL client.

    Args:
        checkout: a new directory, in which the commands run as in a checkout of the project.
    """

    def __init__(self, shop: Shop, checkout: Path) -> None:
        self._shop = shop
        self._errors = checkout.with_suffix(".errors")
        self._values: dict[str, Any] = {}
        self._headers: dict[str, str] = {}
        checkout.mkdir()
        for entry in PROJECT_DIR.iterdir():
            if entry.name not in {"var", "samples", ".git"}:
                (checkout / entry.name).symlink_to(entry)
        # Commands use ../var from it.
        shutil.copytree(PROJECT_DIR / "samples", checkout / "samples")
        (checkout / "var").symlink_to(shop.data_dir)
        self._shell = subprocess.Popen(
            ["bash", "-eo", "pipefail"],
            cwd=checkout,
            env=shop.environment | {"PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors.open("w"),
            text=True,
        )

    def close(self) -> None:
        """End the shell."""
        self._shell.communicate()

    def run(self, example: Example) -> str:
        """Run an example and return its answer, with the address that the page prints."""
        own_address = f"localhost:{self._shop.port}"
        text = example.text.replace(PRINTED_ADDRESS, own_address)
        answer = self._run_commands(text) if example.language == "sh" else self._send(text, example.variables)
        return answer.replace(own_address, PRINTED_ADDRESS)

    def check(self, example: Example) -> None:
        """Run an example and compare its answer with the printed one."""
        answer = self.run(example)
        printed = example.answer
        if printed is None:
            return
        if example.language == "sh":
            assert matches(printed.rstrip("\n"), answer.rstrip("\n")), f"{answer}\nis not\n{printed}"
        else:
            assert matches_value(json.loads(printed), json.loads(answer)), f"{answer}\nis not\n{printed}"

    def _run_commands(self, commands: str) -> str:
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{commands}\nprintf '\\n%s\\n' {_END}\n")
        self._shell.stdin.flush()
        lines = []
        for line in self._shell.stdout:
            if line == f"{_END}\n":
                return "".join(lines)[:-1]
            lines.append(line)
        raise AssertionError(f"{commands}\nfailed:\n{''.join(lines)}{self._errors.read_text()}")

    def _send(self, document: str, variables: str) -> str:
        """Send an operation as a client that stores the tokens of responses, and return the response."""
        body = {"query": document, "variables": self._fill_in(json.loads(variables or "{}"))}
        headers = {"Content-Type": "application/json"} | self._headers
        url = f"http://127.0.0.1:{self._shop.port}/graphql"
        request = Request(url, json.dumps(body).encode(), headers)
        try:
            with urlopen(request, timeout=MAX_SECONDS) as response:
                answer = json.load(response)
        except HTTPError as error:
            answer = json.load(error)
        self._remember(answer)
        return json.dumps(answer, ensure_ascii=False)

    def _fill_in(self, value: Any, name: str = "") -> Any:
        """Replace each ellipsis by the last value of its name in a response, or the code in the last mail."""
        if isinstance(value, dict):
            return {key: self._fill_in(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._fill_in(item, name) for item in value]
        if value != "…":
            return value
        return wait_until(self._read_mailed_code, "The code") if name == "code" else self._values[name]

    def _remember(self, value: Any, name: str = "") -> None:
        """Store the values and the tokens of a response."""
        if isinstance(value, dict):
            for key, inner in value.items():
                self._remember(inner, key)
            if isinstance(value.get("accessToken"), str):
                self._headers = {"Authorization": f"Bearer {value['accessToken']}"} | self._headers
            if name == "cart" and isinstance(value.get("token"), str):
                self._headers["X-Cart-Token"] = value["token"]
        elif isinstance(value, list):
            for item in value:
                self._remember(item, name)
        elif value is not None:
            self._values["after" if name == "endCursor" else name] = value

    def _read_mailed_code(self) -> str | None:
        mails = sorted((self._shop.data_dir / "mail").glob("*.eml"), key=os.path.getmtime)
        codes = [re.search(r"^Subject: (\d{6}) ", mail.read_text(), re.MULTILINE) for mail in mails]
        return next((code[1] for code in reversed(codes) if code), None)
