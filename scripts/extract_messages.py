"""Write the catalogue of Russian messages and its compiled form: extract_messages DIRECTORY.

The texts are in the Python files and templates of `backend`, and in the names of models and their fields. The
catalogue of the directory keeps its translations; texts that the code no longer has are removed. Babel does
what makemessages and compilemessages need GNU gettext for.
"""

import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import django
from babel import Locale
from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from iso3166 import countries_by_alpha2

LANGUAGE = "ru"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
SOURCE_DIR = Path("backend")
# The functions of django.utils.translation.
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    **{f"{name}_lazy": DEFAULT_KEYWORDS[name] for name in ("gettext", "ngettext", "pgettext", "npgettext")},
}

_CALL = re.compile(r"""\w*gettext\((?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^"'()])*\)""")


def list_messages() -> Iterator[tuple[str | tuple[str, ...], str | None]]:
    """Yield the texts of `backend` with their contexts, in the order of the files."""
    from django.utils.translation.template import templatize

    from backend.addresses.delivery import COUNTRY
    from backend.core.apps import list_verbose_names

    for path in sorted(SOURCE_DIR.rglob("*")):
        if path.suffix == ".py" and "migrations" not in path.parts:
            source = path.read_text()
        elif path.suffix in (".html", ".txt") and "templates" in path.parts:
            # Django turns the tags into calls, and the text between them into characters that are no Python.
            source = "\n".join(_CALL.findall(templatize(path.read_text())))
        else:
            continue
        for _, message, _, context in extract("python", BytesIO(source.encode()), KEYWORDS):
            yield message, context
    yield from list_verbose_names()
    for country in countries_by_alpha2.values():
        yield country.name, COUNTRY


def make_catalogue(existing: Catalog) -> Catalog:
    """Return a catalogue of the current texts with the existing translations."""
    from backend.addresses.delivery import COUNTRY

    template = Catalog()
    for message, context in list_messages():
        template.add(message, context=context)
    existing.update(template, no_fuzzy_matching=True)
    existing.obsolete.clear()
    for country in countries_by_alpha2.values():
        # Babel contains the names of the Unicode CLDR.
        message = existing.get(country.name, COUNTRY)
        assert message is not None
        message.string = Locale(LANGUAGE).territories[country.alpha2]
    # Equal texts give equal files.
    existing.creation_date = existing.revision_date = EPOCH
    existing.project, existing.version = "Lavka", "0"
    return existing


def main(directory: Path) -> None:
    """Update the catalogue in the directory, and compile it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    django.setup()
    folder = directory / LANGUAGE / "LC_MESSAGES"
    with (folder / "django.po").open("rb") as file:
        catalogue = make_catalogue(read_po(file, locale=LANGUAGE))
    with (folder / "django.po").open("wb") as file:
        write_po(file, catalogue, width=110, no_location=True, sort_output=True)
    with (folder / "django.mo").open("wb") as file:
        write_mo(file, catalogue)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
