from django.apps import AppConfig


class AddressesConfig(AppConfig):
    name = "backend.addresses"
    label = "addresses"
