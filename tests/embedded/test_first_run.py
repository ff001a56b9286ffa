"""Which databases get the sample catalogue. Only a first run that was killed leaves a mark behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backend.catalog.sample.pictures import read_feed
from backend.embedded import first_run
from backend.recommendations.models import ModelVersion, Recommendation
from tests.catalog.factories import make_product

pytestmark = pytest.mark.django_db

SAMPLE = read_feed()[0]["id"]


@pytest.fixture
def prepare(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Callable[[], bool]:
    """Prepare the database of the test and tell whether the samples would have been loaded."""
    settings.DEBUG = True
    # The test needs its connection afterwards.
    monkeypatch.setattr(first_run.connections, "close_all", lambda: None)

    def prepare() -> bool:
        commands: list[str] = []
        monkeypatch.setattr(first_run, "call_command", lambda name, **options: commands.append(name))
        first_run.prepare(tmp_path)
        return "load_sample_catalogue" in commands

    return prepare


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What a run leaves that was killed while it loaded the samples."""
    path = tmp_path / "sample-unfinished"
    path.touch()
    return path


def test_empty_shop_gets_samples(prepare: Callable[[], bool], tmp_path: Path) -> None:
    assert prepare()
    assert [path.name for path in tmp_path.iterdir()] == ["admin.txt"]


def test_shop_with_products_gets_none(prepare: Callable[[], bool]) -> None:
    make_product(sku=SAMPLE)

    assert not prepare()


def test_killed_run_is_resumed(prepare: Callable[[], bool], mark: Path) -> None:
    make_product(sku=SAMPLE)

    assert prepare()
    assert not mark.exists()


def test_killed_run_is_not_resumed_among_other_products(prepare: Callable[[], bool], mark: Path) -> None:
    make_product(sku=SAMPLE)
    make_product(sku="somebody-elses")

    assert not prepare()


def test_killed_run_is_not_resumed_in_another_database(
    prepare: Callable[[], bool], mark: Path, settings: Settings
) -> None:
    settings.EMBED_POSTGRES = False
    make_product(sku=SAMPLE)

    assert not prepare()
    assert mark.exists()


def test_recommendations_are_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(first_run.connections, "close_all", lambda: None)
    monkeypatch.setattr(first_run, "_load_sample_catalogue", lambda data_dir: None)
    first, second = make_product("Red mug"), make_product("Blue mug")
    for _ in range(2):
        first_run.prepare(tmp_path)
        assert ModelVersion.objects.get().version == 1
    assert Recommendation.objects.filter(kind="similar", subject_id=first.pk, other=second).exists()
