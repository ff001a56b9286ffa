"""The examples of README and the guides run against a shop, and their answers are the printed ones."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from backend.embedded.processes import PROJECT_DIR
from tests.embedded.shop import Shop, run_shop
from tests.support.printed_examples import Example, Reader, matches, matches_value, read_blocks, read_examples

DOCS = PROJECT_DIR / "docs"
READMES = [PROJECT_DIR / "README.md", PROJECT_DIR / "README.ru.md"]
GUIDES = [
    *READMES,
    *(
        DOCS / f"{name}.md"
        for name in ("quick-start", "graphql", "rest", "feeds", "media", "languages", "recommendations")
    ),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    # A short path, since Unix sockets are in it.
    with run_shop(tmp_path_factory.mktemp("guides") / "shop") as shop:
        yield shop


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((PROJECT_DIR / "schema.graphql").read_text())


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_printed_answers_are_those_of_the_shop(guide: Path, shop: Shop, tmp_path: Path) -> None:
    examples = list(read_examples(guide.read_text()))
    assert examples
    reader = Reader(shop, tmp_path / "checkout")
    try:
        for example in examples:
            reader.check(example)
    finally:
        reader.close()


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_operations_are_valid(page: Path, schema: GraphQLSchema) -> None:
    for block in read_blocks(page.read_text()):
        if block.language == "graphql":
            assert not validate(schema, parse(block.text)), block.text


def test_readme_is_short() -> None:
    for readme in READMES:
        assert len(readme.read_text().splitlines()) <= 150


def test_readmes_have_the_same_examples_links_and_figures() -> None:
    english, russian = (
        [block.text for block in read_blocks(text)]
        + [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("README")]
        + re.findall(r"\d+\.\d+", text)
        for text in (readme.read_text() for readme in READMES)
    )
    assert english == russian


@pytest.mark.parametrize("readme", READMES, ids=lambda readme: readme.name)
def test_links_of_readme_exist(readme: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", readme.read_text()):
        assert (PROJECT_DIR / link).exists(), link


def test_only_an_ellipsis_stands_for_other_text() -> None:
    assert matches('{"token":"…","total":"1.00"}', '{"token":"abc","total":"1.00"}')
    assert not matches('{"token":"…","total":"1.00"}', '{"token":"abc","total":"1,00"}')
    assert not matches('{"total":"1.00"}', '{"total":"1.00"} ')


def test_only_an_ellipsis_stands_for_other_values() -> None:
    answer = {"cart": {"token": "abc", "lines": [1, 2, 3]}, "errors": []}
    assert matches_value({"cart": {"token": "…", "lines": [1, "…"]}, "errors": []}, answer)
    assert not matches_value({"cart": {"token": "…", "lines": [1, 2]}, "errors": []}, answer)
    assert not matches_value({"cart": {"token": "…", "lines": [2, "…"]}, "errors": []}, answer)
    assert not matches_value({"cart": {"token": "…"}, "errors": []}, answer)
    assert not matches_value({"cart": {"token": "…", "lines": [1, "…"]}}, answer)


def test_answer_without_an_example_is_refused() -> None:
    with pytest.raises(AssertionError, match="no example above"):
        list(read_examples("```json\n{}\n```\n"))


def test_wrong_answer_and_failing_command_are_found(shop: Shop, tmp_path: Path) -> None:
    reader = Reader(shop, tmp_path / "checkout")
    try:
        reader.check(Example("sh", "NAME=tea\n", "", None))
        reader.check(Example("sh", 'echo "$NAME"\n', "", "tea\n"))
        with pytest.raises(AssertionError, match="is not"):
            reader.check(Example("sh", 'echo "$NAME"\n', "", "coffee\n"))
        with pytest.raises(AssertionError, match="is not"):
            reader.check(Example("graphql", "{ __typename }", "", '{"data": {"__typename": "Mutation"}}'))
        with pytest.raises(AssertionError, match="failed"):
            reader.check(Example("sh", "false | cat\ntrue\n", "", None))
    finally:
        reader.close()
