"""Who is asking, built once at the edge of both APIs."""

import uuid
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person behind a request, as the services need to know them.

    Attributes:
        user_id: primary key of the account, or None for a guest.
        session_id: the login that the request belongs to; None without one.
        is_staff: whether the account may enter the admin.
        cart_token: by which a guest's cart is known, as the client sent it.
    """

    user_id: int | None = None
    session_id: uuid.UUID | None = None
    is_staff: bool = False
    cart_token: str | None = None


def with_cart_token(viewer: Viewer, request: HttpRequest) -> Viewer:
    """Return a viewer with the token of the cart that they have as a guest, or had before they logged in."""
    token = request.headers.get("X-Cart-Token")
    return replace(viewer, cart_token=token) if token else viewer


def client_address(request: HttpRequest) -> str:
    """Return whom to count a request for: an IPv4 address, or the /64 network of an IPv6 address.

    Each of the TRUSTED_PROXIES appends the address it sees to X-Forwarded-For, so that many entries
    from its end are theirs; what stands before them is the client's word.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if settings.TRUSTED_PROXIES:
        seen = request.headers.get("X-Forwarded-For", "").split(",")[-settings.TRUSTED_PROXIES :]
        return _countable(seen[0].strip()) or _countable(peer) or peer
    return _countable(peer) or peer


def network_of(address: str) -> str:
    """Return the network that a client's address is in, as `client_address` has it: /24 or /64."""
    try:
        return str(IPv4Network((address, 24), strict=False))
    except ValueError:
        return address


def _countable(text: str) -> str | None:
    """Return one spelling of what one client has for itself, or None for what is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    # Whoever has one IPv6 address has at least the 2**64 of its network.
    return str(IPv6Network((int(address) >> 64 << 64, 64)))
