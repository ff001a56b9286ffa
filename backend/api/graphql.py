"""The GraphQL schema: every app's queries and mutations in one."""

import strawberry

from backend.accounts.graphql import AccountsMutation, AccountsQuery
from backend.carts.graphql import CartsMutation, CartsQuery
from backend.catalog.graphql import CatalogQuery
from backend.core.graphql import make_schema
from backend.orders.graphql import OrdersMutation
from backend.recommendations.graphql import RecommendationsQuery


@strawberry.type
class Query(CatalogQuery, AccountsQuery, CartsQuery, RecommendationsQuery):
    """Everything that can be read."""


@strawberry.type
class Mutation(AccountsMutation, CartsMutation, OrdersMutation):
    """Everything that can be changed."""


schema = make_schema(Query, Mutation)
