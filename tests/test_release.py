"""The version of the release and the documents that repeat it."""

import json
import re
from pathlib import Path

from django.test import SimpleTestCase

from backend import __version__

PROJECT_DIR = Path(__file__).resolve().parents[1]


class VersionTest(SimpleTestCase):
    def test_version_is_semantic(self) -> None:
        assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", __version__)

    def test_liveness_shows_the_version(self) -> None:
        response = self.client.get("/health/live")

        assert response.status_code == 200
        assert response.json() == {"status": "ok", "version": __version__}

    def test_openapi_document_has_the_version(self) -> None:
        document = json.loads((PROJECT_DIR / "openapi.json").read_text())

        assert document["info"]["version"] == __version__

    def test_changelog_begins_with_the_version(self) -> None:
        changelog = (PROJECT_DIR / "CHANGELOG.md").read_text()

        newest = re.search(r"^## \[?(\S+?)\]? - \d{4}-\d{2}-\d{2}$", changelog, re.MULTILINE)

        assert newest
        assert newest[1] == __version__
