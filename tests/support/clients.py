"""HTTP clients for the two APIs."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client


class GraphQLClient:
    """A client that sends GraphQL queries."""

    def __init__(self, client: Client | None = None) -> None:
        self.client = client or Client()

    def post(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> HttpResponse:
        """Send a query and return the response."""
        return self.client.post(
            "/graphql",
            json.dumps({"query": query, "variables": variables}),
            content_type="application/json",
            headers=headers,
        )

    def data(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """Send a query that must succeed and return its data."""
        body = self.post(query, variables).json()
        assert "errors" not in body, body["errors"]
        return body["data"]

    def error(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a query that must fail with one error and return the error."""
        body = self.post(query, variables).json()
        (error,) = body["errors"]
        return error


class RestClient:
    """A client that sends requests with JSON bodies."""

    def __init__(self, client: Client | None = None) -> None:
        self.client = client or Client()

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> HttpResponse:
        return self.client.get(path, query, headers=headers)

    def post(self, path: str, body: Any, **headers: str) -> HttpResponse:
        return self.client.post(path, json.dumps(body), content_type="application/json", headers=headers)
