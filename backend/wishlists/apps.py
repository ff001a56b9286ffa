from django.apps import AppConfig


class WishlistsConfig(AppConfig):
    name = "backend.wishlists"
    label = "wishlists"
