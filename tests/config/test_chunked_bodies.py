"""Chunked bodies on the event loop of a web process."""

import io
import time
import unittest
from types import SimpleNamespace
from typing import Any
from unittest import mock

import gevent
from gunicorn.http.body import Body
from gunicorn.http.unreader import IterUnreader

from backend.config.request_threads import Threads
from backend.config.web_worker import BoundedChunkedReader, BufferedApplication


def make_request(chunk: bytes, number: int) -> dict[str, Any]:
    """Return the environment of a request with a body of equal chunks, which the client has sent already."""
    encoded = b"%x\r\n%b\r\n" % (len(chunk), chunk)
    blocks = [encoded * 100] * (number // 100)
    reader = BoundedChunkedReader(SimpleNamespace(), IterUnreader([*blocks, b"0\r\n\r\n"]))
    return {"PATH_INFO": "/graphql", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": Body(reader)}


class ChunkedBodyTest(unittest.TestCase):
    def setUp(self) -> None:
        self.sizes: list[int] = []
        self.application = BufferedApplication(self.respond, Threads(), lambda environ: 0)

    def respond(self, environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"].read()
        assert environ["CONTENT_LENGTH"] == str(len(body))
        self.sizes.append(len(body))
        return io.BytesIO()

    def measure(self, chunk: bytes, number: int) -> tuple[float, float]:
        """Read six bodies at once and return the time and the processor time that this takes, in seconds."""
        started, used = time.monotonic(), time.thread_time()
        gevent.joinall(
            [gevent.spawn(self.application, make_request(chunk, number), None) for _ in range(6)],
            raise_error=True,
        )
        assert self.sizes == [len(chunk) * number] * 6
        return time.monotonic() - started, time.thread_time() - used

    def test_tiny_chunks_take_less_than_half_of_the_time(self) -> None:
        seconds, used = self.measure(b" ", 20_000)
        assert used < seconds / 2

    def test_large_chunks_are_read_without_a_pause(self) -> None:
        with mock.patch("gevent.sleep", wraps=gevent.sleep) as sleep:
            self.measure(b" " * 8192, 100)
        pauses = [call.args[0] for call in sleep.call_args_list]
        # The collector of garbage and a slow machine lengthen some blocks.
        assert pauses.count(0) > len(pauses) / 2
