from django.apps import AppConfig


class CartsConfig(AppConfig):
    name = "backend.carts"
    label = "carts"
