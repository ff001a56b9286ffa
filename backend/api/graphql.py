"""The GraphQL schema: every app's queries and mutations in one."""

import strawberry

from backend.accounts.graphql import AccountsMutation, AccountsQuery
from backend.catalog.graphql import CatalogQuery
from backend.core.graphql import make_schema


@strawberry.type
class Query(CatalogQuery, AccountsQuery):
    """Everything that can be read."""


@strawberry.type
class Mutation(AccountsMutation):
    """Everything that can be changed."""


schema = make_schema(Query, Mutation)
