"""Write docs/data-model.md to the path $1, with diagrams and tables of constraints made from the models."""

import os
import sys
from pathlib import Path
from typing import Any

import django

from scripts.generated_sections import write_sections

PAGE = Path("docs/data-model.md")
# The sections of the page, with the apps whose tables they contain.
DOMAINS = {
    "catalogue": ["catalog"],
    "accounts": ["accounts", "addresses"],
    "carts": ["carts", "wishlists"],
    "orders": ["orders"],
    "recommendations": ["recommendations"],
    "mails": ["notifications"],
}
# Mermaid accepts no spaces and commas in the names of types.
TYPES = {
    "timestamp with time zone": "timestamptz",
    "double precision": "double",
    "integer": "int",
    "boolean": "bool",
}


def list_models(apps: list[str]) -> list[Any]:
    """Return the models of apps, in the order of their definition, with the tables of many-to-many fields."""
    from django.apps import registry

    return [
        model
        for app in apps
        for model in registry.apps.get_app_config(app).get_models(include_auto_created=True)
    ]


def name_type(field: Any) -> str:
    """Return the type of a column, without its length."""
    from django.db import connection

    full = field.db_parameters(connection)["type"].partition("(")[0]
    return TYPES.get(full, full)


def describe_column(field: Any) -> str:
    """Return a line of an entity: the type, the name, and the keys of a column."""
    keys = [
        key
        for key, applies in [
            # A composite primary key has several fields.
            ("PK", field in field.model._meta.pk_fields),
            ("FK", field.remote_field),
            ("UK", field.unique and not field.primary_key),
        ]
        if applies
    ]
    return f"        {name_type(field)} {field.column} {', '.join(keys)}".rstrip()


def describe_relation(model: Any, field: Any) -> str:
    """Return the line from the row that a foreign key refers to, with the effect of deleting that row."""
    other = field.remote_field.model.__name__
    one = "|o" if field.null else "||"
    many = "o|" if field.unique else "o{"
    on_delete = field.remote_field.on_delete.__name__.lower().replace("_", " ")
    return f'    {other} {one}--{many} {model.__name__} : "{field.name}, {on_delete}"'


def draw(apps: list[str]) -> str:
    """Return a Mermaid entity relationship diagram of the models of apps.

    Models of other apps have no columns in it.
    """
    from django.db import connection

    lines = ["```mermaid", "erDiagram"]
    relations = []
    for model in list_models(apps):
        # A composite primary key has no column of its own.
        fields = [field for field in model._meta.local_concrete_fields if field.column]
        fields = [field for field in fields if field.db_parameters(connection)["type"]]
        lines += [f"    {model.__name__} {{", *map(describe_column, fields), "    }"]
        relations += [describe_relation(model, field) for field in fields if field.remote_field]
    return "\n".join([*lines, *relations, "```", ""])


def get_schema_editor() -> Any:
    """Return a schema editor that makes SQL without a connection."""
    from django.db import connections

    connection = connections["default"]
    # Django would ask the server for its version, on which the syntax of some constraints depends.
    connection.pg_version = 180000
    return connection.SchemaEditorClass(connection, collect_sql=True)


def describe_guard(model: Any, guard: Any, editor: Any) -> str:
    """Return the row of a constraint or index in the table of its section."""
    table = model._meta.db_table
    sql = str(guard.create_sql(model, editor)).replace('"', "")
    # CREATE [UNIQUE] INDEX name ON table …, or ALTER TABLE table ADD CONSTRAINT name …
    action, _, definition = sql.partition(f" {guard.name} ")
    definition = definition.removeprefix(f"ON {table} ")
    if action == "CREATE UNIQUE INDEX":
        definition = f"UNIQUE {definition}"
    return f"| `{table}` | `{guard.name}` | `{definition}` |"


def list_guards(apps: list[str]) -> str:
    """Return a table of the constraints and indexes of the models of apps."""
    editor = get_schema_editor()
    rows = [
        describe_guard(model, guard, editor)
        for model in list_models(apps)
        for guard in [*model._meta.constraints, *model._meta.indexes]
    ]
    return "\n".join(["| table | constraint or index | definition |", "|---|---|---|", *rows, ""])


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    django.setup()
    sections = {name: draw(apps) for name, apps in DOMAINS.items()}
    sections |= {f"{name} guards": list_guards(apps) for name, apps in DOMAINS.items()}
    write_sections(PAGE, Path(sys.argv[1]), sections)


if __name__ == "__main__":
    main()
