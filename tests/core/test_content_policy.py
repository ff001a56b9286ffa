"""Security headers of pages and of other responses."""

import re

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


def read_policy(response: HttpResponse) -> dict[str, list[str]]:
    """Return the sources of each directive."""
    directives = (part.split() for part in response["Content-Security-Policy"].split(";"))
    return {name: sources for name, *sources in directives}


@pytest.mark.parametrize("path", ["/admin/login/", "/docs", "/graphql"])
def test_pages_run_scripts_of_the_shop_only(path: str) -> None:
    response = Client().get(path, headers={"Accept": "text/html"})
    assert response.status_code == 200
    policy = read_policy(response)
    assert policy["script-src"] == ["'self'"]
    # The editors of GraphiQL add style sheets to the page. The admin only sets styles of single elements.
    inline = ["'unsafe-inline'"]
    assert (policy["style-src"] != ["'self'"]) == (path == "/graphql")
    assert policy.get("style-src-attr", []) == (inline if path == "/admin/login/" else [])
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert "camera=()" in response["Permissions-Policy"]
    # Every script has an address, and no element has a handler.
    html = response.content.decode()
    assert not re.search(r"\son\w+=", html)
    for attributes in re.findall(r"<script\b([^>]*)>", html):
        assert 'src="/static/' in attributes or 'type="application/json"' in attributes


@pytest.mark.parametrize("path", ["/products", "/cart", "/health/live", "/openapi.json", "/nowhere"])
def test_other_responses_load_nothing(path: str) -> None:
    response = Client().get(path)
    assert response["Content-Security-Policy"] == DATA_POLICY
    assert "Permissions-Policy" not in response
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


def test_pages_load_pictures_and_static_files_from_the_object_storage(settings: Settings) -> None:
    policy = read_policy(Client().get("/admin/login/"))
    assert policy["style-src"] == ["'self'"]
    settings.MEDIA_URL = "https://media.example.com/bucket/"
    settings.STATIC_URL = "https://cdn.example.com/static/"
    policy = read_policy(Client().get("/admin/login/"))
    assert policy["img-src"][-2:] == ["https://cdn.example.com", "https://media.example.com"]
    for directive in ("script-src", "style-src", "font-src"):
        assert policy[directive][-1] == "https://cdn.example.com"
        assert "https://media.example.com" not in policy[directive]
