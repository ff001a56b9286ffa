"""Connections to the Redis master that Sentinels name, by a URL of the scheme ``redis+sentinel``."""

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection

_SCHEME = "redis+sentinel"
_DEFAULT_PORT = 26379

# A Sentinel that does not respond delays a new connection by this time, and then the next one is asked.
SENTINEL_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": 0.3,
    "socket_timeout": 0.3,
    "retry": Retry(NoBackoff(), 0),
}


@dataclass(frozen=True)
class SentinelUrl:
    """The parts of a URL.

    Attributes:
        sentinels: hosts and ports.
        master: the name that the Sentinels know the master by.
        database: number of the database on the master.
        username, password: of the master; None if it has none. Sentinels must not require a password.
    """

    sentinels: tuple[tuple[str, int], ...]
    master: str
    database: int
    username: str | None
    password: str | None

    @property
    def celery_url(self) -> str:
        """The URL of Celery's broker. The name of the master is a transport option."""
        user = ""
        if self.password is not None:
            user = f"{quote(self.username or '', safe='')}:{quote(self.password, safe='')}@"
        return ";".join(f"sentinel://{user}{host}:{port}/{self.database}" for host, port in self.sentinels)


def is_sentinel_url(url: str) -> bool:
    """Return whether a URL names Sentinels instead of a server."""
    return url.startswith(f"{_SCHEME}://")


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Parse ``redis+sentinel://[username][:password@]host[:port],host[:port].../master[/database]``.

    Raises:
        ValueError: the URL has another form.
    """
    accepted = f"{_SCHEME}://:password@host:26379,host:26379,host:26379/master/0"
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    master, _, database = parts.path.removeprefix("/").partition("/")
    sentinels = []
    for address in hosts.split(","):
        host, _, port = address.partition(":")
        if not host or not (port or "1").isdecimal() or not 1 <= int(port or "1") <= 65535:
            raise ValueError(f"must have the form {accepted}")
        sentinels.append((host, int(port or _DEFAULT_PORT)))
    if not master or not (database or "0").isdecimal() or parts.query:
        raise ValueError(f"must have the form {accepted}")
    return SentinelUrl(
        tuple(sentinels),
        master,
        int(database or 0),
        unquote(username) or None,
        unquote(password) or None,
    )


class MasterConnection(SentinelManagedConnection):
    """A connection to the master that is closed after a timeout.

    redis-py's own class keeps it open. It would stay with a frozen server after the failover, and the next
    command would read the late response to this one.
    """

    def read_response(self, *args: Any, disconnect_on_error: bool | None = True, **options: Any) -> Any:
        return super().read_response(*args, disconnect_on_error=disconnect_on_error, **options)


class SentinelPool(SentinelConnectionPool):
    """A connection pool that asks the Sentinels for the master whenever it connects."""

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Return the pool for a URL.

        Args:
            options: of the connections to the master.
        """
        parsed = parse_sentinel_url(url)
        return cls(
            parsed.master,
            Sentinel(parsed.sentinels, sentinel_kwargs=SENTINEL_OPTIONS),  # type: ignore[no-untyped-call]
            connection_class=MasterConnection,
            db=parsed.database,
            username=parsed.username,
            password=parsed.password,
            **options,
        )
