"""Celery's connection to Redis, made to survive an outage of it."""

from functools import cache
from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

# Seconds. Celery's own limit is 30, for which mails would wait after Redis is back.
MAX_RECONNECT_DELAY = 2


class BrokerConnection(Connection):
    """A connection that is opened again soon after the broker is back."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        options = {"interval_max": MAX_RECONNECT_DELAY} | options
        return super().ensure_connection(*arguments, **options)  # type: ignore[no-untyped-call]

    def get_transport_cls(self) -> type[Any]:
        return _make_transport_class(super().get_transport_cls())  # type: ignore[no-untyped-call]


class ReconnectingAMQP(AMQP):
    """Celery's interface to the broker, with `BrokerConnection`."""

    Connection = BrokerConnection


class _ClosableChannel:
    """Report a closed connection by the error that kombu expects.

    After a lost connection kombu returns unfinished tasks to Redis and acknowledges finished ones over a
    connection that it has closed. The AttributeError of that ends the worker. Beat enqueues the tasks again.
    """

    connection: Any

    def _create_client(self, *arguments: Any, **options: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("The connection is closed.")
        return super()._create_client(*arguments, **options)  # type: ignore[misc]


@cache
def _make_transport_class(base: type[Any]) -> type[Any]:
    if not hasattr(base.Channel, "_create_client"):
        # This is not Redis.
        return base
    channel = type("Channel", (_ClosableChannel, base.Channel), {})
    return type("Transport", (base,), {"Channel": channel})
