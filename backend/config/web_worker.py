"""gunicorn worker that reads and writes on an event loop and runs Django in threads.

In a sync or threaded worker each connection occupies a thread while it waits for the client, so a few silent
connections block the shop. Here gevent's event loop reads whole requests and sends responses, and a thread is
occupied only while Django handles a request. Nothing is monkey-patched: Django, psycopg2 and redis run in
native threads, as under a sync worker.
"""

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from mmap import mmap
from tempfile import SpooledTemporaryFile
from typing import Any

import gevent
from gevent import socket
from gevent.pool import Pool
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import InvalidChunkSize, NoMoreData
from gunicorn.http.wsgi import FileWrapper
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from backend.config.refused_requests import REFUSED_REQUESTS, make_refusal
from backend.config.request_threads import Threads

# A client that sends or reads no byte of a request's body or its response for this long is disconnected. The
# wait for a header is limited by gunicorn's `keepalive`.
SILENCE_SECONDS = 30
# After SIGTERM, idle connections stay open for this long, for requests that are already in transit.
IDLE_GRACE_SECONDS = 0.5
# Closing a connection with unread bytes resets it, and the client may lose the response. The rest of a
# refused body is therefore read for this long and up to this size.
DISCARD_SECONDS = 2
DISCARD_BYTES = 16 * 1024 * 1024
# Before it accepts a connection, a worker waits this long for each request in its queue, and a little for
# each open connection, so that the worker with the least work and the fewest clients accepts first.
QUEUE_DELAY_SECONDS = 0.002
CONNECTION_DELAY_SECONDS = 0.0002
MAX_CONNECTION_DELAY_SECONDS = 0.01
# A client then connects again, to the worker that has the least work by then.
REQUESTS_PER_CONNECTION = 100
BLOCK_BYTES = 64 * 1024
# A chunk can be one byte, and gunicorn takes several microseconds for each.
CHUNKED_BLOCK_BYTES = 1024
# gunicorn checks each byte of the line before a chunk.
CHUNK_LINE_BYTES = 256
# Larger bodies are read only up to the limit of the client, which the shop looks up.
SMALL_BODY_BYTES = 1024 * 1024

# Replaced workers serve until a new worker is ready, but no longer than this.
SUCCESSOR_SECONDS = 20

# Handled on the event loop, so that it responds while all threads are busy. It must not use any service.
LIVENESS_PATH = "/health/live"

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


class BoundedChunkedReader(ChunkedReader):
    """Reader of a chunked body whose lines before chunks have at most `CHUNK_LINE_BYTES` bytes."""

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> Any:
        data = data or b""
        # gunicorn has a limit only for lines that it reads in parts.
        while b"\r\n" not in data[:CHUNK_LINE_BYTES]:
            if len(data) >= CHUNK_LINE_BYTES:
                raise InvalidChunkSize(b"")
            if not (block := unreader.read()):
                raise NoMoreData
            data += block
        return super().parse_chunk_size(unreader, data)


class BufferedApplication:
    """WSGI middleware that buffers whole requests and responses.

    Args:
        application: the shop, which runs in one of `threads`.
        read_body_limit: returns the maximum body size in bytes for a WSGI environment; called in a thread,
            and only for bodies larger than `SMALL_BODY_BYTES`.
    """

    def __init__(
        self, application: Application, threads: Threads, read_body_limit: Callable[[dict[str, Any]], int]
    ) -> None:
        self._application = application
        self._threads = threads
        self._read_body_limit = read_body_limit
        # The number of connections that pause in `_read_block`.
        self._pauses = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == LIVENESS_PATH:
            if environ.keys() & {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"}:
                _refuse_rest(environ["wsgi.input"])
            return self._application(environ, start_response)
        self._read_body(environ)
        return self._threads.run(partial(self._respond, environ, start_response))

    def _read_body(self, environ: dict[str, Any]) -> None:
        """Replace ``wsgi.input`` by the buffered body, or by an empty one if the body is too large.

        Django refuses a body by its Content-Length, which is set here for chunked bodies. The connection is
        closed after the response.

        Raises:
            StopIteration: the client has disconnected or timed out; gunicorn closes the connection.
        """
        declared = int(environ.get("CONTENT_LENGTH") or 0)
        source = environ["wsgi.input"]
        environ["wsgi.input"] = io.BytesIO()
        is_chunked = bool(environ.pop("HTTP_TRANSFER_ENCODING", ""))
        if not declared and not is_chunked:
            return
        limit = SMALL_BODY_BYTES
        if declared > limit:
            limit = self._threads.run(partial(self._read_body_limit, environ))
            if declared > limit:
                _refuse_rest(source)
                return
        body = SpooledTemporaryFile(max_size=BLOCK_BYTES)  # noqa: SIM115  read by the shop
        size = 0
        try:
            while block := self._read_block(source, CHUNKED_BLOCK_BYTES if is_chunked else BLOCK_BYTES):
                size += len(block)
                if size > SMALL_BODY_BYTES >= limit:
                    limit = self._threads.run(partial(self._read_body_limit, environ))
                if size > limit:
                    break
                body.write(block)
        except TimeoutError:
            raise StopIteration from None
        if size < declared:
            raise StopIteration
        environ["CONTENT_LENGTH"] = str(size)
        if size <= limit:
            body.seek(0)
            environ["wsgi.input"] = body
        else:
            _refuse_rest(source)

    def _read_block(self, body: Any, max_bytes: int) -> bytes:
        """Read a block of a body and let other connections proceed, although a fast client has data ready.

        After a block of tiny chunks, pause, so that parsing them takes less than half of the worker's time.
        """
        loop = gevent.get_hub().loop
        started, iteration = time.thread_time(), loop.iteration
        block: bytes = body.read(max_bytes)
        # The time of a read that has waited for the client includes other connections.
        seconds = time.thread_time() - started if loop.iteration == iteration else 0
        self._pauses += 1
        try:
            # Other blocks take microseconds, and the shortest pause would take a millisecond.
            gevent.sleep(2 * self._pauses * seconds if seconds > 0.001 else 0)
        finally:
            self._pauses -= 1
        return block

    def _respond(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        response = self._application(environ, start_response)
        # gunicorn sends files itself.
        if isinstance(response, FileWrapper):
            return response
        try:
            if not getattr(response, "streaming", False):
                return _split_body(b"".join(response))
            # Buffered, so that a slow client does not occupy the thread and its database cursor.
            body = SpooledTemporaryFile(max_size=SMALL_BODY_BYTES)  # noqa: SIM115  read by gunicorn
            for block in response:
                body.write(block)
            body.seek(0)
            return iter(partial(body.read, BLOCK_BYTES), b"")
        finally:
            response.close()


def _refuse_rest(body: Any) -> None:
    """Close the connection of a body after the response, since what follows in it is not a request."""
    body.failed = True
    body.request.force_close()


def _split_body(body: bytes) -> Any:
    """Split a body into blocks, since `SILENCE_SECONDS` applies to each block that is sent."""
    if len(body) <= BLOCK_BYTES:
        return [body]
    return (body[start : start + BLOCK_BYTES] for start in range(0, len(body), BLOCK_BYTES))


class Reloads:
    """The number of reloads, in memory that the master and all workers share."""

    def __init__(self) -> None:
        # The newest reload and the newest one with a ready worker, modulo 256.
        self._memory = mmap(-1, 2)

    @property
    def current(self) -> int:
        """Number of the newest reload."""
        return self._memory[0]

    @property
    def has_ready_worker(self) -> bool:
        """True if a worker of the newest reload has loaded the shop."""
        return self._memory[0] == self._memory[1]

    def start(self) -> None:
        """Count a reload."""
        self._memory[0] = (self._memory[0] + 1) % 256

    def report_ready(self, reload: int) -> None:
        """Report that a worker of this reload has loaded the shop."""
        self._memory[1] = reload


reloads = Reloads()


class _Address:
    """The address of a listening socket, available after the socket is closed."""

    def __init__(self, listener: Any) -> None:
        self._name = listener.getsockname()

    def getsockname(self) -> Any:
        return self._name


class WebWorker(GeventWorker):
    """gunicorn worker that serves connections on gevent's event loop and runs the shop in threads."""

    def patch(self) -> None:
        # gunicorn monkey-patches all modules here. Only the listening sockets need gevent.
        self.sockets: list[Any] = [
            socket.socket(listener.FAMILY, socket.SOCK_STREAM, fileno=listener.sock.detach())
            for listener in self.sockets
        ]

    def load_wsgi(self) -> None:
        self._reload = reloads.current
        super().load_wsgi()
        # Django must be set up first.
        from backend.core.middleware import read_body_limit

        self._threads = Threads()
        # Idle connections with the time when they became idle, oldest first.
        self._idle: dict[gevent.Greenlet, tuple[gevent.Timeout, float]] = {}
        application: Application = self.wsgi
        self.wsgi: Application = BufferedApplication(application, self._threads, read_body_limit)
        reloads.report_ready(self._reload)

    def notify(self) -> None:
        """Send a heartbeat to the master unless a request runs longer than `timeout`."""
        if self._threads.measure_longest_run() < self.cfg.timeout:
            super().notify()

    def run(self) -> None:
        """Serve until SIGTERM, then finish the received requests and close every connection."""
        connections = Pool(self.worker_connections)
        listening = []
        for listener in self.sockets:
            listener.setblocking(False)
            listening.append(gevent.spawn(self._accept_connections, listener, connections))
        while self.alive:
            self.notify()
            gevent.sleep(0.2)
        self._await_successor()
        gevent.killall(listening)
        for listener in self.sockets:
            # The kernel would reset queued connections when the socket is closed.
            while self._accept_connection(listener, connections):
                pass
            listener.close()
        self._finish(connections)

    def _await_successor(self) -> None:
        """Serve until a worker of a newer reload is ready: gunicorn stops old workers before that."""
        stopped = time.monotonic()
        while (
            reloads.current != self._reload
            and not reloads.has_ready_worker
            and time.monotonic() < stopped + SUCCESSOR_SECONDS
            and os.getppid() == self.ppid
        ):
            self.notify()
            gevent.sleep(0.05)

    def _accept_connections(self, listener: Any, connections: Pool) -> None:
        while True:
            socket.wait_read(listener.fileno())
            # Workers share the queue of new connections.
            gevent.sleep(
                QUEUE_DELAY_SECONDS * self._threads.queue_length
                + min(CONNECTION_DELAY_SECONDS * len(connections), MAX_CONNECTION_DELAY_SECONDS)
            )
            self._accept_connection(listener, connections)

    def _accept_connection(self, listener: Any, connections: Pool) -> bool:
        try:
            client, address = listener.accept()
        except BlockingIOError:
            # Another worker was faster.
            return False
        except OSError as error:
            self.log.warning("A connection was not accepted: %s", error)
            # No file descriptor is left. Wait until clients disconnect.
            gevent.sleep(0.1)
            return False
        connections.spawn(self.handle, _Address(listener), client, address)
        return True

    def _finish(self, connections: Pool) -> None:
        stopped = time.monotonic()
        while connections:
            self.notify()
            gevent.sleep(0.05)
            now = time.monotonic()
            for connection, (_, since) in list(self._idle.items()):
                if max(since, stopped) + IDLE_GRACE_SECONDS < now:
                    self._end_idle(connection)
            if stopped + self.cfg.graceful_timeout < now:
                self.log.warning("Requests are aborted after %s seconds", self.cfg.graceful_timeout)
                return

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        # `timeout_ctx` limits the wait for requests, and `handle_request` the silence within them.
        client.settimeout(None)
        AsyncWorker.handle(self, listener, client, addr)

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Limit the wait for the next request. Close the oldest idle connection if there are too many."""
        if len(self._idle) >= self.worker_connections // 2:
            self._end_idle(next(iter(self._idle)))
        connection = gevent.getcurrent()
        # With False, the timeout ends the block without an exception.
        with gevent.Timeout(self.cfg.keepalive, False) as timeout:
            self._idle[connection] = (timeout, time.monotonic())
            try:
                yield
            except OSError as error:
                # gunicorn logs some of the reasons for which a peer vanishes as errors of the server.
                self.log.debug("An idle connection has ended: %s", error)
            finally:
                self._idle.pop(connection, None)

    def _end_idle(self, connection: gevent.Greenlet) -> None:
        timeout, _ = self._idle.pop(connection)
        gevent.kill(connection, timeout)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        if isinstance(req.body.reader, ChunkedReader):
            req.body.reader = BoundedChunkedReader(req, req.unreader)
        req.body.request = req
        if req.req_number % REQUESTS_PER_CONNECTION == 0:
            req.force_close()
        sock.settimeout(SILENCE_SECONDS)
        try:
            super().handle_request(listener_name, req, sock, addr)
        except (TimeoutError, ConnectionError):
            raise StopIteration from None
        except StopIteration:
            if req.body.failed:
                _discard(sock)
            raise
        finally:
            # A request and a body that refer to each other are freed by the garbage collector only.
            del req.body.request
            sock.settimeout(None)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Send a problem document to a client whose request exceeds a limit or cannot be parsed."""
        client.settimeout(SILENCE_SECONDS)
        # A subclass of these errors can be about a response.
        status = REFUSED_REQUESTS.get(type(exc))
        if status is None:
            super().handle_error(req, client, addr, exc)
            return
        # The message of the error can contain headers, and with them tokens.
        self.log.warning(
            "A malformed request was refused with status %s: %s", status.value, type(exc).__name__
        )
        try:
            client.sendall(make_refusal(status, self.cfg))
            _discard(client)
        except OSError:
            # The client has disconnected.
            pass


def _discard(client: Any) -> None:
    size = 0
    # The client may be silent or disconnect, which changes nothing.
    with gevent.Timeout(DISCARD_SECONDS, False), suppress(OSError):
        while size < DISCARD_BYTES and (block := client.recv(BLOCK_BYTES)):
            size += len(block)
            # Let the event loop run the timeout.
            gevent.sleep(0)
