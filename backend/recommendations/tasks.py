"""Tasks that build and update the recommendations and save the clicks on them."""

import logging

from celery import shared_task

from backend.recommendations.attribution import save_clicks
from backend.recommendations.services import build_model, update_model

logger = logging.getLogger(__name__)

# Redis redelivers a task that is not acknowledged within an hour.
TIME_LIMIT_SECONDS = 3000
# The maximum number of `update_model` calls in one task.
UPDATES_PER_TASK = 10


@shared_task(name="recommendations.build", time_limit=TIME_LIMIT_SECONDS)
def build() -> None:
    """Rebuild the recommendations from all orders."""
    report = build_model()
    logger.info("Built recommendations version %s from %s orders", report.version, report.orders)


@shared_task(name="recommendations.update", time_limit=TIME_LIMIT_SECONDS)
def update() -> None:
    """Update the recommendations with new orders."""
    for _ in range(UPDATES_PER_TASK):
        if not update_model():
            break


@shared_task(name="recommendations.save_clicks")
def save_counted_clicks() -> None:
    """Move the clicks on recommended products from Redis to the database."""
    save_clicks()
