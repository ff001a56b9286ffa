from django.apps import AppConfig

from backend.orders.payments.providers import check_providers


class OrdersConfig(AppConfig):
    name = "backend.orders"
    label = "orders"

    def ready(self) -> None:
        check_providers()
