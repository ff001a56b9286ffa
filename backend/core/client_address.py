"""The address of a client, which rate limits count requests for."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest


def get_client_address(request: HttpRequest) -> str:
    """Return the address that rate limits count a request for: IPv4, or the /64 network of an IPv6 address.

    Each trusted proxy appends the address that it sees to X-Forwarded-For. Only the last TRUSTED_PROXIES
    entries are reliable, because the client can send any entries before them.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if settings.TRUSTED_PROXIES:
        trusted = request.headers.get("X-Forwarded-For", "").split(",")[-settings.TRUSTED_PROXIES :]
        return _normalize_address(trusted[0].strip()) or _normalize_address(peer) or peer
    return _normalize_address(peer) or peer


def get_network(address: str) -> str:
    """Return the network of an address from `get_client_address`: the /24 of IPv4, the /64 of IPv6."""
    try:
        return str(IPv4Network((address, 24), strict=False))
    except ValueError:
        return address


def _normalize_address(text: str) -> str | None:
    """Return the canonical address or network of one client, or None if the text is not an IP address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    # A client with one IPv6 address has the 2**64 addresses of its network.
    return str(IPv6Network((int(address) >> 64 << 64, 64)))
