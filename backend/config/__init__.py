"""Settings and entry points. The Celery application is made with them, so that the web can hand over mail."""

from backend.config.celery import app as celery_app

__all__ = ["celery_app"]
