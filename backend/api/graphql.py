"""The GraphQL schema: the queries and mutations of all apps."""

import strawberry

from backend.accounts.graphql import AccountsMutation, AccountsQuery
from backend.addresses.graphql import AddressesMutation
from backend.carts.graphql import CartsMutation, CartsQuery
from backend.catalog.graphql import CatalogQuery
from backend.core.graphql import NodeQuery, make_schema
from backend.orders.graphql import OrdersMutation, OrdersQuery
from backend.recommendations.graphql import RecommendationsMutation, RecommendationsQuery
from backend.wishlists.graphql import WishlistsMutation, WishlistsQuery


@strawberry.type
class Query(
    NodeQuery,
    CatalogQuery,
    AccountsQuery,
    CartsQuery,
    WishlistsQuery,
    OrdersQuery,
    RecommendationsQuery,
):
    """All queries."""


@strawberry.type
class Mutation(
    AccountsMutation,
    AddressesMutation,
    CartsMutation,
    WishlistsMutation,
    OrdersMutation,
    RecommendationsMutation,
):
    """All mutations."""


# The fields that depend on the catalogue only.
CACHED_FIELDS = frozenset({"products", "product", "categories", "category", "brands", "brand"})

schema = make_schema(Query, Mutation)
