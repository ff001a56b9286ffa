"""The Celery application: ``celery -A backend.config.celery worker``."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")

app = Celery("lavka")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Without this, the application is current in this thread only, and other threads use one without settings.
app.set_default()
