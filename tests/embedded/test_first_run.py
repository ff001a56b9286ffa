"""Preparation of the database before the first request."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backend.embedded import first_run
from backend.recommendations.models import ModelVersion, Recommendation
from tests.catalog.factories import make_product

pytestmark = pytest.mark.django_db


@pytest.fixture
def prepare(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Callable[[], bool]:
    """Prepare the test database and return whether the sample catalogue would be loaded."""
    settings.DEBUG = True
    # The test uses its connection afterwards.
    monkeypatch.setattr(first_run.connections, "close_all", lambda: None)

    def prepare() -> bool:
        commands: list[str] = []
        monkeypatch.setattr(first_run, "call_command", lambda name, **options: commands.append(name))
        first_run.prepare(tmp_path)
        return "load_sample_catalogue" in commands

    return prepare


def test_empty_database_gets_the_sample_catalogue(prepare: Callable[[], bool], tmp_path: Path) -> None:
    assert prepare()
    assert [path.name for path in tmp_path.iterdir()] == ["admin.txt"]


def test_database_with_a_product_gets_no_sample_catalogue(prepare: Callable[[], bool]) -> None:
    make_product()

    assert not prepare()


def test_recommendations_are_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(first_run.connections, "close_all", lambda: None)
    monkeypatch.setattr(first_run, "_load_sample_catalogue", lambda: None)
    first, second = make_product("Red mug"), make_product("Blue mug")
    for _ in range(2):
        first_run.prepare(tmp_path)
        assert ModelVersion.objects.get().version == 1
    assert Recommendation.objects.filter(kind="similar", subject_id=first.pk, other=second).exists()
