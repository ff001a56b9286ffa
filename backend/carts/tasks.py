"""Periodic tasks of carts."""

from celery import shared_task

from backend.carts import services


@shared_task(name="carts.delete_expired_carts")
def delete_expired_carts() -> None:
    """Delete the carts that have not been changed for their lifetime."""
    services.delete_expired_carts()
