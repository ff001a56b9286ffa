from django.apps import AppConfig


class WishlistsConfig(AppConfig):
    name = "backend.wishlists"
    label = "wishlists"

    def ready(self) -> None:
        # Models can be imported only now.
        from backend.carts.locks import register_merge_step
        from backend.wishlists.merging import move_guest_items

        register_merge_step(move_guest_items)
