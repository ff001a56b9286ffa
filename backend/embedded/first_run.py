"""What the shop needs before its first request: tables, a staff login and something to sell."""

import io
import os
import secrets
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections

from backend.catalog.sample.pictures import read_feed
from backend.embedded import console, processes

STAFF_EMAIL = "admin@example.com"


def staff_login_file(data_dir: Path) -> Path:
    """Return the file that keeps the staff login made by the first run."""
    return data_dir / "admin.txt"


def prepare(data_dir: Path) -> None:
    """Bring the database up to date.

    In development also make a staff login, load the samples and build the recommendations, once.

    Raises:
        EmbeddedError: the database does not answer, or the samples cannot be loaded.
    """
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as error:
        raise processes.EmbeddedError(f"The database cannot be used: {error}") from None
    if settings.DEVELOPMENT:
        _create_staff_login(data_dir)
        _load_sample_catalogue(data_dir)
        _build_recommendations()
    else:
        call_command("collectstatic", interactive=False, verbosity=0)
    connections.close_all()


def _create_staff_login(data_dir: Path) -> None:
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return
    password = secrets.token_urlsafe(12)
    # Kept before it is used: a run killed in between makes another one instead of losing this one.
    file = staff_login_file(data_dir)
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(f"{STAFF_EMAIL} {password}\n")
    users.create_superuser(STAFF_EMAIL, password)


def _load_sample_catalogue(data_dir: Path) -> None:
    # Marked while it lasts: a run killed in the middle leaves some products, not all. The mark speaks of
    # the embedded database alone: DB_HOST can name another one at every start.
    unfinished = data_dir / "sample-unfinished"
    if not _lacks_samples(resuming=settings.EMBED_POSTGRES and unfinished.exists()):
        return
    console.say("shop", "Loading the sample catalogue")
    if settings.EMBED_POSTGRES:
        unfinished.touch()
    output = io.StringIO()
    try:
        call_command("load_sample_catalogue", stdout=output)
    except CommandError as error:
        raise processes.EmbeddedError(f"The sample catalogue cannot be loaded: {error}") from None
    console.say("shop", output.getvalue())
    if settings.EMBED_POSTGRES:
        unfinished.unlink()


def _build_recommendations() -> None:
    # So that products have similar ones at once, not when the worker comes to it.
    if not apps.get_model("recommendations", "ModelVersion").objects.exists():
        console.say("shop", "Comparing products for recommendations")
        call_command("build_recommendations", stdout=io.StringIO())


def _lacks_samples(*, resuming: bool) -> bool:
    products = apps.get_model("catalog", "Product").objects.all()
    if resuming:
        # Somebody else's products make it their shop.
        products = products.exclude(sku__in=[row["id"] for row in read_feed()])
    return not products.exists()
