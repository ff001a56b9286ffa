"""Write docs/configuration.md to the path $1, with its tables made from the typed environment.

Types, ranges and defaults come from `backend.config.environment`, the meanings from the comments in
`.env.example`, whose lines with `##` are the headings of the tables.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.config.environment import Environment
from scripts.generated_sections import write_sections

PAGE = Path("docs/configuration.md")
EXAMPLE = Path(".env.example")
REQUIRED = "[required] "
HEADER = ["| variable | meaning | values | default |", "|---|---|---|---|"]
# The sentence about the default ends a comment.
DEFAULT = re.compile(r"(?:^|(?<=[.)] ))Default(?: with [A-Z]+)?: .*")


@dataclass(frozen=True)
class Variable:
    """A variable in `.env.example`.

    Attributes:
        heading: the heading above it.
        comment: the lines above it, as one line.
        value: its value, empty for the default.
    """

    name: str
    heading: str
    comment: str
    value: str


def read_example(text: str) -> list[Variable]:
    """Return the variables of a file like `.env.example`, in order."""
    variables: list[Variable] = []
    heading, comment = "", ""
    for line in text.splitlines():
        if line.startswith("## "):
            heading, comment = line.removeprefix("## "), ""
        elif line.startswith("#"):
            comment = f"{comment} {line.removeprefix('#').strip()}".strip()
        elif line:
            name, _, value = line.partition("=")
            variables.append(Variable(name, heading, comment, value))
            comment = ""
        else:
            comment = ""
    return variables


def describe_type(schema: dict[str, Any]) -> str:
    """Return the accepted values of a variable from its JSON schema."""
    # An optional variable is a choice of its type and null.
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    option = options[0]
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    match option["type"]:
        case "boolean":
            return "`true`, `false`"
        case "integer":
            return f"{option['minimum']} to {option['maximum']}"
        case "array":
            return "list, separated by commas"
        case "object":
            return "pairs `name=value`, separated by commas"
        case "string" if option.get("format") == "path":
            return "path"
        case _:
            return "text"


def format_text(text: str, names: set[str]) -> str:
    """Return a comment as Markdown in a table cell, with variables and URLs as code."""
    pattern = r"`[^`]*`|[a-z+]+://(?:[^\s,;]|[,;](?=\S))*[^\s,;.:)]|\b[A-Z][A-Z_]+\b"

    def mark(match: re.Match[str]) -> str:
        word = match[0]
        is_url = "://" in word and not word.startswith("`")
        return f"`{word}`" if is_url or word in names else word

    return re.sub(pattern, mark, text).replace("|", r"\|")


def describe_default(variable: Variable, schema: dict[str, Any], names: set[str]) -> str:
    """Return the default as Markdown; empty if the variable has none."""
    if found := DEFAULT.search(variable.comment):
        text = found[0].removeprefix("Default").removeprefix(":").strip().removesuffix(".")
        return format_text(text, names)
    if variable.comment.startswith(REQUIRED):
        return ""
    # .env.example has the default of every variable but DEBUG and the published key.
    value = str(schema["default"]).lower() if schema.get("type") == "boolean" else variable.value
    return f"`{value}`" if value else ""


def describe() -> str:
    """Return the tables of all variables."""
    properties = Environment.model_json_schema()["properties"]
    variables = read_example(EXAMPLE.read_text())
    names = {variable.name for variable in variables}
    lines: list[str] = []
    heading = ""
    for variable in variables:
        if variable.heading != heading:
            heading = variable.heading
            lines += ["", f"## {heading}", "", *HEADER]
        schema = properties[variable.name.lower()]
        meaning = DEFAULT.sub("", variable.comment).removeprefix(REQUIRED).strip()
        required = "**Required in production.** " if variable.comment.startswith(REQUIRED) else ""
        cells = [
            f"`{variable.name}`",
            required + format_text(meaning, names),
            describe_type(schema),
            describe_default(variable, schema, names),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines[1:], ""])


def main() -> None:
    write_sections(PAGE, Path(sys.argv[1]), {"variables": describe()})


if __name__ == "__main__":
    main()
