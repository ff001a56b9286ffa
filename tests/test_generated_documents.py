"""The generated parts of the documents agree with the settings, the models and the database."""

import re
from pathlib import Path

import pytest
from django.db import connection
from pydantic import ValidationError

from backend.config.environment import Environment
from scripts.describe_configuration import REQUIRED, describe, format_text, read_example
from scripts.draw_data_model import DOMAINS, draw, list_guards
from scripts.generated_sections import write_sections

PROJECT_DIR = Path(__file__).resolve().parents[1]
CONFIGURATION = (PROJECT_DIR / "docs/configuration.md").read_text()
DATA_MODEL = (PROJECT_DIR / "docs/data-model.md").read_text()


def test_every_variable_is_listed_once() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", describe(), re.MULTILINE)
    assert sorted(rows) == sorted(name.upper() for name in Environment.model_fields)
    assert describe() in CONFIGURATION


def test_every_variable_has_a_meaning_and_values() -> None:
    for name, meaning, values in re.findall(r"^\| (`.+?`) \| (.*?) \| (.*?) \|", describe(), re.MULTILINE):
        assert meaning, name
        assert values, name


def test_required_variables_are_those_without_which_production_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    variables = read_example((PROJECT_DIR / ".env.example").read_text())
    required = {variable.name for variable in variables if variable.comment.startswith(REQUIRED)}

    with pytest.raises(ValidationError) as raised:
        Environment(_env_file=None, debug=False)

    (problem,) = raised.value.errors()
    assert set(problem["msg"].partition(":")[0].split(", ")) == required


def test_variables_and_urls_become_code() -> None:
    text = "With PORT: http://localhost:PORT, see `PORT` | X."
    assert format_text(text, {"PORT"}) == r"With `PORT`: `http://localhost:PORT`, see `PORT` \| X."


def test_every_table_of_the_shop_is_in_a_diagram() -> None:
    apps = {app for apps in DOMAINS.values() for app in apps}
    folders = {path.parent.name for path in PROJECT_DIR.glob("backend/*/models.py")}
    assert apps == folders
    for domain in DOMAINS.values():
        assert draw(domain) in DATA_MODEL
        assert list_guards(domain) in DATA_MODEL


@pytest.mark.parametrize(
    "line",
    [
        "bigint product_id PK, FK",
        "varchar sku UK",
        "tsvector search_vector",
        'Product ||--o{ CartLine : "product, cascade"',
        'Category |o--o{ Product : "category, protect"',
        'Order ||--o| OrderContact : "order, cascade"',
        "| `carts_cartline` | `cart_line_once_per_product` | `UNIQUE (cart_id, product_id)` |",
        "| `catalog_product` | `product_stock_not_negative` | `CHECK (stock >= 0)` |",
        "| `wishlists_wishlistitem` | `wishlist_item_to_notify` | `(product_id) WHERE notify` |",
    ],
)
def test_columns_relations_and_guards_are_described(line: str) -> None:
    assert line in DATA_MODEL


@pytest.mark.django_db
def test_triggers_are_those_of_the_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
        triggers = {name for (name,) in cursor.fetchall()}
    table = DATA_MODEL.partition("| trigger |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == triggers


def test_section_is_replaced_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x: begin -->\nold\n<!-- x: end -->\nafter\n")

    write_sections(page, page, {"x": "new\n"})

    assert page.read_text() == "before\n<!-- x: begin -->\nnew\n<!-- x: end -->\nafter\n"
    with pytest.raises(SystemExit, match="must contain the lines"):
        write_sections(page, page, {"y": ""})
