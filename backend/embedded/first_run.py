"""Prepare the database for the first request: migrations, a staff login and the sample catalogue."""

import io
import os
import secrets
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections

from backend.embedded import console, processes

STAFF_EMAIL = "admin@example.com"


def get_staff_login_file(data_dir: Path) -> Path:
    """Return the path of the file with the staff login, which the first run creates."""
    return data_dir / "admin.txt"


def prepare(data_dir: Path) -> None:
    """Migrate the database.

    In development, also create a staff login, load the sample catalogue and build the recommendations,
    each only if the database has none.

    Raises:
        EmbeddedError: the database does not respond, or the sample catalogue cannot be loaded.
    """
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as error:
        raise processes.EmbeddedError(f"The database cannot be used: {error}") from None
    if settings.DEVELOPMENT:
        _create_staff_login(data_dir)
        _load_sample_catalogue()
        _build_recommendations()
    else:
        call_command("collectstatic", interactive=False, verbosity=0)
    connections.close_all()


def _create_staff_login(data_dir: Path) -> None:
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return
    password = secrets.token_urlsafe(12)
    # Write the file first: if the run is killed before the user is created, the next one creates a new login.
    file = get_staff_login_file(data_dir)
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(f"{STAFF_EMAIL} {password}\n")
    users.create_superuser(STAFF_EMAIL, password)


def _load_sample_catalogue() -> None:
    # The import commits all products at once, so a killed run leaves either all products or none.
    if apps.get_model("catalog", "Product").objects.exists():
        return
    console.log("shop", "Loading the sample catalogue")
    output = io.StringIO()
    try:
        call_command("load_sample_catalogue", stdout=output)
    except CommandError as error:
        raise processes.EmbeddedError(f"The sample catalogue cannot be loaded: {error}") from None
    console.log("shop", output.getvalue())


def _build_recommendations() -> None:
    # Products have recommendations before the worker's first scheduled run.
    if not apps.get_model("recommendations", "ModelVersion").objects.exists():
        console.log("shop", "Building recommendations")
        call_command("build_recommendations", stdout=io.StringIO())
