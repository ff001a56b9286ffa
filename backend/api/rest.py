"""The REST API: the routes of all apps."""

from backend.accounts.rest import router as accounts
from backend.accounts.selectors import authenticate
from backend.addresses.rest import router as addresses
from backend.carts.rest import router as carts
from backend.catalog.rest import router as catalog
from backend.core.rest import make_api
from backend.orders.rest import router as orders
from backend.recommendations.rest import router as recommendations
from backend.wishlists.rest import router as wishlists

api = make_api(
    "Lavka REST",
    "The API of the shop for clients that do not use GraphQL.",
    authenticate,
    tags={
        "catalogue": "Products, categories and recommendations.",
        "cart": "The cart of a guest or an account.",
        "wishlist": "The wishlist of a guest or an account.",
        "orders": "The orders of an account or a guest.",
        "addresses": "The address book of an account.",
        "accounts": "Registration, login and logout.",
    },
)
api.add_router("", catalog)
api.add_router("", carts)
api.add_router("", wishlists)
api.add_router("", orders)
api.add_router("", recommendations)
api.add_router("", addresses)
api.add_router("/auth", accounts)
