"""Origins and headers that browsers may send, in development and in production."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from backend.config.environment import Environment
from tests.browser.test_cors import CLIENT_HEADERS

PREFLIGHT = {"Access-Control-Request-Method": "POST"}


def is_allowed(origin: str) -> bool:
    response = Client().options("/graphql", headers={"Origin": origin, **PREFLIGHT})
    return bool(response.headers.get("Access-Control-Allow-Origin") == origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:3000",
        "https://localhost:65535",
        "http://127.0.0.1:5173",
        "http://[::1]:4200",
    ],
)
def test_local_origins_are_allowed_in_development(origin: str) -> None:
    assert is_allowed(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost.example.com",
        "http://localhost:3000.example.com",
        "http://example.com:3000",
        "http://127.0.0.10:3000",
        "http://127x0.0.1",
        "http://localhost:3000/",
        "ftp://localhost",
        "null",
    ],
)
def test_other_origins_are_refused_in_development(origin: str) -> None:
    assert not is_allowed(origin)


def test_named_origins_are_allowed(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://www.example.com"]

    assert is_allowed("https://www.example.com")
    assert not is_allowed("https://www.example.com:8443")


@pytest.mark.parametrize("client", CLIENT_HEADERS)
def test_headers_of_clients_are_allowed(client: str) -> None:
    response = Client().options("/graphql", headers={"Origin": "http://localhost:3000", **PREFLIGHT})

    allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {name.lower() for name in CLIENT_HEADERS[client]} <= set(allowed)


def test_rate_limits_etag_and_request_id_are_exposed() -> None:
    response = Client().get("/health/live", headers={"Origin": "http://localhost:3000"})

    exposed = response.headers["Access-Control-Expose-Headers"]
    assert exposed == "ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"


def test_environment_names_the_origins_and_more_headers_in_production(tmp_path: Path) -> None:
    program = """
import json
from backend.config import settings as s
print(json.dumps([s.CORS_ALLOWED_ORIGINS, s.CORS_ALLOWED_ORIGIN_REGEXES, s.CORS_ALLOW_HEADERS]))
"""
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": os.devnull,
        "DATA_DIR": str(tmp_path),
        "DEBUG": "false",
        "DJANGO_SECRET_KEY": "k" * 50,
        "ALLOWED_HOSTS": "shop.example.com",
        "DB_HOST": "db.example.com",
        "DB_PASSWORD": "p",
        "REDIS_URL": "redis://redis.example.com",
        "CORS_ALLOWED_ORIGINS": "https://a.example.com, https://b.example.com",
        "CORS_ALLOWED_HEADERS": "X-Client-Version, b3",
    }
    output = subprocess.check_output([sys.executable, "-c", program], env=environment)
    origins, patterns, headers = json.loads(output)

    assert origins == ["https://a.example.com", "https://b.example.com"]
    assert patterns == []
    assert {"X-Client-Version", "b3", "x-cart-token", "x-order-token", "x-request-id"} <= set(headers)


def test_header_name_with_a_space_is_refused() -> None:
    with pytest.raises(ValueError, match=r"CORS_ALLOWED_HEADERS: .* is not the name of a header"):
        Environment(_env_file=os.devnull, debug=True, cors_allowed_headers="X-Request Id")
