"""A client that calls Django's WSGI handler directly, so that no network is measured."""

import io
import json
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode


class WsgiClient:
    """Sends requests to the project's WSGI handler.

    Args:
        access_token: sent with every request; None for a guest.
    """

    def __init__(self, access_token: str | None = None) -> None:
        from django.core.wsgi import get_wsgi_application

        self._handle = get_wsgi_application()
        self._authorization = {"HTTP_AUTHORIZATION": f"Bearer {access_token}"} if access_token else {}

    def send(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> bytes:
        """Return the content of a response, which must be a success."""
        data = b"" if body is None else json.dumps(body).encode()
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": urlencode(query or {}),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            # Responses to requests with a cookie are computed, not cached.
            "HTTP_COOKIE": "is=measured",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
            **self._authorization,
        }
        status = ""

        def start_response(line: str, headers: Any, exc_info: Any = None) -> None:
            nonlocal status
            status = line

        response = self._handle(environ, start_response)
        content = b"".join(response)
        response.close()
        assert status.startswith("20"), (status, content)
        return content
