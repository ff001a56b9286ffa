"""The GraphQL schema: every app's queries and mutations in one."""

import strawberry

from backend.catalog.graphql import CatalogQuery
from backend.core.graphql import make_schema


@strawberry.type
class Query(CatalogQuery):
    """Everything that can be read."""


schema = make_schema(Query)
