"""Building recommendations in the background."""

import logging

from celery import shared_task

from backend.recommendations.services import build_model, update_model

logger = logging.getLogger(__name__)

# Under the hour after which Redis hands a task that is not acknowledged to the next worker.
BUILD_SECONDS = 3000
# How many steps of an update are taken at once.
UPDATE_ROUNDS = 10


@shared_task(name="recommendations.build", time_limit=BUILD_SECONDS)
def build() -> None:
    """Build the model anew from all orders."""
    report = build_model()
    logger.info("Recommendations version %s, from %s orders", report.version, report.orders)


@shared_task(name="recommendations.update", time_limit=BUILD_SECONDS)
def update() -> None:
    """Take new orders into the model, which may have to be built for it."""
    for _ in range(UPDATE_ROUNDS):
        if not update_model():
            break
