"""Settings and entry points. Importing them creates the Celery application, which web processes use too."""

from backend.config.celery import app as celery_app

__all__ = ["celery_app"]
