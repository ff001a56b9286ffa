"""WSGI application: the shop with the baseline views, and a count of queries on request."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.db import connection
from django.urls import get_resolver

from backend.config.wsgi import application as shop
from benchmarks.performance.baselines import CONSTANT, patterns
from benchmarks.performance.operations import BARE_PATH, QUERIES_HEADER

# First, because the last pattern of the shop matches every path.
get_resolver().url_patterns[:0] = patterns


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """Serve a request. With the header `X-Queries`, its response has the number of its queries.

    At `BARE_PATH`, the constant of the static view is sent without Django: what the web server costs.
    """
    if environ["PATH_INFO"] == BARE_PATH:
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(CONSTANT)))]
        start_response("200 OK", headers)
        # The worker closes the response.
        return BytesIO(CONSTANT)
    if "HTTP_X_QUERIES" not in environ:
        return shop(environ, start_response)
    count = 0

    def count_query(execute: Any, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*arguments)

    def start(status: str, headers: list[tuple[str, str]], *arguments: Any) -> Any:
        return start_response(status, [*headers, (QUERIES_HEADER, str(count))], *arguments)

    with connection.execute_wrapper(count_query):
        return shop(environ, start)
