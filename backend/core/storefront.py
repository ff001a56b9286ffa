"""The storefront: a React application in `static/storefront`, which `examples/storefront` builds.

All its pages are one HTML file. The paths must not be routes of the REST API, so they are listed here.
"""

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page

INDEX_FILE = Path(__file__).parent / "static/storefront/index.html"
# See `examples/storefront/src/routes.tsx`.
PATHS = (
    r"^(?:|search|basket|checkout|login|register|reset|favourites|me|me/orders|me/addresses"
    r"|(?:c|p|b)/[^/]+|order/[0-9][^/]*)/?$"
)


# Browsers keep the page, which names files by their digests, but ask for changes each time.
@conditional_page
@cache_control(public=True, max_age=0, must_revalidate=True)
def serve_storefront(request: HttpRequest) -> HttpResponse:
    """Serve the page of the storefront."""
    return HttpResponse(INDEX_FILE.read_bytes())
