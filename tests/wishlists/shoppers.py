"""Clients for the wishlist of one shopper, with one interface for both APIs."""

from typing import Any

from backend.accounts.models import User
from tests.support.clients import GraphQLClient
from tests.support.shopping import (
    PRODUCT,
    ApiResponse,
    GraphQLShopper,
    RestShopper,
    Shopper,
    _error,
    _to_rest,
)

WISHLIST = f"""
    items(first: $first, after: $after) {{
        nodes {{ product {{ {PRODUCT} }} addedAt notify }} pageInfo {{ hasNextPage endCursor }}
    }}
    totalCount token
"""
_PAYLOAD = f"wishlist {{ {WISHLIST} }} errors {{ code message field }}"
_PAGE = "$first: Int = 20, $after: String"


class WishlistShopper(Shopper):
    """A client of one of the two APIs, which returns wishlists with REST names."""

    def wishlist(self, **page: Any) -> ApiResponse:
        """Read the wishlist; `limit` and `cursor` select the page."""
        raise NotImplementedError

    def save(self, product_id: Any, **fields: Any) -> ApiResponse:
        """Add a product to the wishlist; `fields` are those of the REST body."""
        raise NotImplementedError

    def unsave(self, product_id: Any) -> ApiResponse:
        raise NotImplementedError

    def _remember_token(self, response: ApiResponse) -> ApiResponse:
        """Remember the token of a new guest, which carts and wishlists return."""
        if self.access_token is None and response.data is not None:
            self.cart_token = response.data.get("token") or self.cart_token
        return response


class RestWishlistShopper(RestShopper, WishlistShopper):
    def wishlist(self, **page: Any) -> ApiResponse:
        return self.send("GET", "/wishlist", page)

    def save(self, product_id: Any, **fields: Any) -> ApiResponse:
        return self.send("POST", "/wishlist", {"product_id": product_id, **fields})

    def unsave(self, product_id: Any) -> ApiResponse:
        return self.send("DELETE", "/wishlist", query={"product_id": product_id})


class GraphQLWishlistShopper(GraphQLShopper, WishlistShopper):
    def wishlist(self, **page: Any) -> ApiResponse:
        return self._send(
            f"query({_PAGE}) {{ wishlist {{ {WISHLIST} }} }}",
            {"first": page.get("limit", 20), "after": page.get("cursor")},
        )

    def save(self, product_id: Any, **fields: Any) -> ApiResponse:
        arguments = "".join(f", {name}: ${name}" for name in fields)
        return self._send(
            f"mutation({_PAGE}, $id: ID!{', $notify: Boolean' * ('notify' in fields)}) {{ "
            f"wishlistAdd(productId: $id{arguments}) {{ {_PAYLOAD} }} }}",
            {"id": product_id, **fields},
        )

    def unsave(self, product_id: Any) -> ApiResponse:
        return self._send(
            f"mutation({_PAGE}, $id: ID!) {{ wishlistRemove(productId: $id) {{ {_PAYLOAD} }} }}",
            {"id": product_id},
        )

    def _send(self, query: str, variables: dict[str, Any]) -> ApiResponse:
        response = GraphQLClient(self.client).post(query, variables, **self.headers)
        body = response.json()
        if errors := body.get("errors"):
            extensions = errors[0]["extensions"]
            return _error(extensions["code"], extensions["field"], errors[0]["message"])
        (found,) = body["data"].values()
        if "errors" in found:
            if found["errors"]:
                assert found["wishlist"] is None
                (error,) = found["errors"]
                return _error(error["code"], error["field"], error["message"])
            found = found["wishlist"]
        page = found["items"]["pageInfo"]
        data = {
            "items": _to_rest(found["items"]["nodes"]),
            "total": found["totalCount"],
            "next_cursor": page["endCursor"] if page["hasNextPage"] else None,
            "token": found["token"],
        }
        return self._remember_token(ApiResponse(response.status_code, data=data))


def make_wishlist_shoppers(user: User | None = None, cart_token: str | None = None) -> list[WishlistShopper]:
    """Return a client of each API for one shopper."""
    return [GraphQLWishlistShopper(user, cart_token), RestWishlistShopper(user, cart_token)]


def list_ids(response: ApiResponse) -> list[int]:
    """Return the ids of the products on the page of a wishlist."""
    assert response.code is None, response
    return [item["product"]["id"] for item in response.data["items"]]
