"""Clients with one interface for the account operations of both APIs."""

import dataclasses
from typing import Any

from django.http import HttpResponse
from django.test import Client
from strawberry.utils.str_converters import to_camel_case

from tests.support.clients import GraphQLClient, RestClient


@dataclasses.dataclass(frozen=True)
class ApiResponse:
    """A response of either API.

    Attributes:
        code: the error code; None on success.
        field: the invalid field by its REST name.
        retry_after: seconds to wait, if the request was rate limited.
        data: the payload by its REST names.
        others: codes and fields of the errors after the first one.
    """

    status: int
    code: str | None = None
    field: str | None = None
    retry_after: int | None = None
    data: dict[str, Any] = dataclasses.field(default_factory=dict)
    others: tuple[tuple[str, str | None], ...] = ()


class Api:
    """A client of one API at one address.

    Rate limits are counted by `address`.
    """

    name: str

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.client = Client(REMOTE_ADDR=address)

    def register(self, email: Any, password: Any, **more: Any) -> ApiResponse:
        return self.send("register", {"email": email, "password": password, **more})

    def confirm(self, email: Any, code: Any) -> ApiResponse:
        return self.send("confirm", {"email": email, "code": code})

    def resend(self, email: Any) -> ApiResponse:
        return self.send("resend", {"email": email})

    def log_in(self, email: Any, password: Any) -> ApiResponse:
        return self.send("login", {"email": email, "password": password})

    def refresh(self, token: Any) -> ApiResponse:
        return self.send("refresh", {"refresh_token": token})

    def log_out(self, token: str | None, scheme: str = "Bearer") -> ApiResponse:
        return self.send("logout", None, f"{scheme} {token}" if token is not None else None)

    def read(self, authorization: str | None) -> ApiResponse:
        """Read something that guests may read too, with this Authorization header."""
        raise NotImplementedError

    def send(
        self, action: str, fields: dict[str, Any] | None, authorization: str | None = None
    ) -> ApiResponse:
        """Send the request that a REST route or an entry of `_MUTATIONS` is named after."""
        raise NotImplementedError


class Rest(Api):
    name = "REST"

    def send(
        self, action: str, fields: dict[str, Any] | None, authorization: str | None = None
    ) -> ApiResponse:
        headers = {"Authorization": authorization} if authorization is not None else {}
        return self._parse(RestClient(self.client).post(f"/auth/{action}", fields, **headers))

    def read(self, authorization: str | None) -> ApiResponse:
        headers = {"Authorization": authorization} if authorization is not None else {}
        return self._parse(self.client.get("/cart", headers=headers))

    @staticmethod
    def _parse(response: HttpResponse) -> ApiResponse:
        body = response.json() if response.content else {}
        if response.status_code < 400:
            return ApiResponse(response.status_code, data=body if isinstance(body, dict) else {})
        assert response["Content-Type"] == "application/problem+json", response.content
        retry_after = response.get("Retry-After")
        return ApiResponse(
            response.status_code,
            body["code"],
            body["field"],
            int(retry_after) if retry_after else None,
            others=tuple((error["code"], error["field"]) for error in body["errors"][1:]),
        )


_TOKENS = "accessToken refreshToken expiresIn user { email }"
_MUTATIONS = {
    "register": ("accountRegister", "RegisterInput!", ""),
    "confirm": ("accountConfirm", "ConfirmInput!", ""),
    "resend": ("accountConfirmationResend", "EmailInput!", ""),
    "login": ("tokenCreate", "LoginInput!", _TOKENS),
    "refresh": ("tokenRefresh", "RefreshInput!", _TOKENS),
    "logout": ("tokenRevoke", None, ""),
    "logout everywhere": ("tokenRevokeAll", None, ""),
    "change password": ("passwordChange", "PasswordChangeInput!", ""),
    "request reset": ("passwordResetRequest", "EmailInput!", ""),
    "reset password": ("passwordReset", "PasswordResetInput!", ""),
    "update": ("accountUpdate", "AccountInput!", "user { name language }"),
    "delete": ("accountDelete", "AccountDeleteInput!", ""),
}


class GraphQL(Api):
    name = "GraphQL"

    def send(
        self, action: str, fields: dict[str, Any] | None, authorization: str | None = None
    ) -> ApiResponse:
        mutation, kind, selected = _MUTATIONS[action]
        arguments = ("($input: " + kind + ")", "(input: $input)") if kind else ("", "")
        query = (
            f"mutation{arguments[0]} {{ {mutation}{arguments[1]} {{ "
            f"{selected} errors {{ code message field }} }} }}"
        )
        variables = {"input": {to_camel_case(name): value for name, value in (fields or {}).items()}}
        return self.execute(query, variables if kind else {}, authorization)

    def read(self, authorization: str | None) -> ApiResponse:
        return self.execute("{ me { id } }", {}, authorization)

    def me(self, access_token: str) -> dict[str, Any] | None:
        """Return the account of an access token."""
        response = self.execute("{ me { email name language } }", {}, f"Bearer {access_token}")
        assert response.code is None, response
        return response.data

    def execute(self, query: str, variables: dict[str, Any], authorization: str | None) -> ApiResponse:
        headers = {"Authorization": authorization} if authorization is not None else {}
        response = GraphQLClient(self.client).post(query, variables, **headers)
        body = response.json()
        if errors := body.get("errors"):
            extensions = errors[0]["extensions"]
            path = [part for part in extensions.get("field") or [] if part != "input"]
            return ApiResponse(
                response.status_code,
                extensions["code"],
                _snake(path),
                extensions.get("retryAfter"),
            )
        (payload,) = body["data"].values()
        if not isinstance(payload, dict):
            return ApiResponse(response.status_code)
        if payload.get("errors"):
            assert all(error["message"] for error in payload["errors"])
            assert not any(value for key, value in payload.items() if key != "errors")
            first, *others = [
                (error["code"], _snake((error["field"] or [])[1:])) for error in payload["errors"]
            ]
            return ApiResponse(response.status_code, *first, others=tuple(others))
        renamed = {"accessToken": "access_token", "refreshToken": "refresh_token", "expiresIn": "expires_in"}
        data = {renamed.get(key, key): value for key, value in payload.items() if key != "errors"}
        return ApiResponse(response.status_code, data=data)


def _snake(path: list[str]) -> str | None:
    """Convert a path to the REST spelling."""
    dotted = ".".join(path)
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in dotted) or None


def make_apis(address: str = "127.0.0.1") -> list[Api]:
    return [GraphQL(address), Rest(address)]
