"""The page of the storefront: its paths, caching, content policy and size."""

import gzip
import re
from pathlib import Path

from django.conf import settings
from django.test import Client, SimpleTestCase

from backend.api.rest import api
from backend.core.storefront import INDEX_FILE
from backend.core.storefront import PATHS as STOREFRONT_PATHS

PROJECT_DIR = Path(__file__).resolve().parents[2]
PATHS = (
    *("/", "/search", "/basket", "/checkout", "/login", "/register", "/reset", "/favourites"),
    *(
        "/me",
        "/me/orders",
        "/me/addresses",
        "/c/kruzhki",
        "/p/mug-006",
        "/b/minnowby",
        "/order/100123",
        "/me/",
    ),
)


class StorefrontTest(SimpleTestCase):
    def test_every_page_is_the_index_file(self) -> None:
        for path in PATHS:
            with self.subTest(path):
                response = self.client.get(path, query_params={"q": "мёд"})
                assert response.status_code == 200
                assert response["Content-Type"] == "text/html; charset=utf-8"
                assert response.content == INDEX_FILE.read_bytes()

    def test_other_paths_do_not_exist(self) -> None:
        for path in (
            "/c",
            "/c/a/b",
            "/me/others",
            "/index.html",
            "/order/1/2",
            "/order/x",
            "/baskets",
            "/search/more",
        ):
            with self.subTest(path):
                response = self.client.get(path)
                assert response.status_code == 404
                assert response["Content-Type"] == "application/problem+json"

    def test_no_route_of_the_rest_api_is_hidden(self) -> None:
        paths = api.get_openapi_schema()["paths"]
        assert "/order/cancel" in paths
        assert not [path for path in paths if re.search(STOREFRONT_PATHS, path.removeprefix("/"))]

    def test_page_is_revalidated_by_every_client(self) -> None:
        for client in (Client(), Client(headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}=x"})):
            response = client.get("/")
            assert response["Cache-Control"] == "public, max-age=0, must-revalidate"
            unchanged = client.get("/p/x", headers={"If-None-Match": response["ETag"]})
            assert unchanged.status_code == 304
            # Browsers would apply it to the stored page.
            assert "Content-Security-Policy" not in unchanged

    def test_page_runs_scripts_of_this_origin_only(self) -> None:
        policy = self.client.get("/")["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy

    def test_page_refuses_other_methods(self) -> None:
        response = self.client.post("/basket")
        assert response.status_code == 405
        assert response["Allow"] == "GET, HEAD"

    def test_scripts_are_small(self) -> None:
        sizes = {
            path.name: len(gzip.compress(path.read_bytes(), mtime=0))
            for path in (INDEX_FILE.parent / "assets").glob("*.js")
        }
        first = re.findall(r'/assets/([^"]+\.js)"', INDEX_FILE.read_text())
        assert len(first) < len(sizes)
        assert sum(sizes[name] for name in first) < 125_000
        assert sum(sizes.values()) < 150_000

    def test_source_is_small(self) -> None:
        files = [
            file
            for file in (PROJECT_DIR / "examples/storefront/src").rglob("*.*")
            if file.name != "schema.d.ts"
        ]
        assert len(files) > 20
        assert sum(len(file.read_text().splitlines()) for file in files) < 3000

    def test_files_are_immutable(self) -> None:
        files = re.findall(r'(?:src|href)="(/static/[^"]+)"', INDEX_FILE.read_text())
        assert any(file.endswith(".js") for file in files)
        for file in files:
            with self.subTest(file):
                response = self.client.get(file)
                assert response.status_code == 200
                assert "immutable" in response["Cache-Control"] or "/assets/" not in file
