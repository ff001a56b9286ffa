"""Forgetting carts."""

from celery import shared_task

from backend.carts.services import remove_old_carts


@shared_task(name="carts.remove_old_carts")
def remove_old() -> None:
    """Delete the carts that nobody has touched for long."""
    remove_old_carts()
