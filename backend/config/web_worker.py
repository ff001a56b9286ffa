"""The gunicorn worker of the web processes: slow clients wait on an event loop, the shop runs in threads.

A sync or threaded worker gives a connection to a thread that then waits for the client's bytes, so a handful
of silent connections stop the shop. Here gevent's event loop reads each request as a whole and sends each
answer; a thread is occupied only while Django works. Nothing is monkey-patched: Django, psycopg2 and redis
run in real threads, as they do under a sync worker. ``docs/web-server.md`` compares the alternatives.
"""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any

import gevent
from gevent import socket
from gevent.lock import Semaphore
from gevent.pool import Pool
from gevent.server import StreamServer
from gevent.threadpool import ThreadPool
from gunicorn.http.wsgi import FileWrapper
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

# One request runs at a time, since threads that compute only hold each other up. One that takes longer than
# this lets the next one start beside it, so that an import in the admin does not keep shoppers waiting.
SLOW_SECONDS = 0.1
# Every thread has a database connection of its own: WEB_WORKERS times this is what PostgreSQL must allow.
MAX_THREADS = 4
# A client that sends or takes no byte for this long is disconnected.
SILENCE_SECONDS = 30
# After TERM, a client with an idle connection has this long to send the request that is on its way.
IDLE_GRACE_SECONDS = 0.5
# Closing a connection with unread bytes resets it, and the client may never see the answer.
DISCARD_SECONDS = 2
BLOCK_BYTES = 64 * 1024
# Larger bodies are read only from those whom the shop allows to send them.
SMALL_BODY_BYTES = 1024 * 1024

# Answered on the event loop, whatever the threads are waiting for; it must not use any service.
LIVENESS_PATH = "/health/live"

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Threads:
    """Threads that run one job at a time, and up to `MAX_THREADS` while jobs are slow."""

    def __init__(self) -> None:
        self._pool = ThreadPool(MAX_THREADS)
        self._turn = Semaphore(1)
        self._running: dict[object, float] = {}

    def run(self, work: Callable[[], Any]) -> Any:
        """Return what `work` returns in a thread, or raise what it raises."""
        self._turn.acquire()
        has_turn = True

        def give_turn_away() -> None:
            nonlocal has_turn
            has_turn = False
            self._turn.release()

        timer = gevent.get_hub().loop.timer(SLOW_SECONDS)
        job = object()
        try:
            # Waits for a thread when all of them are at work.
            result = self._pool.spawn(_outcome, work)
            timer.start(give_turn_away)
            self._running[job] = time.monotonic()
            value, error = result.get()
        finally:
            timer.stop()
            timer.close()
            self._running.pop(job, None)
            if has_turn:
                self._turn.release()
        if error is not None:
            raise error
        return value

    def longest_run(self) -> float:
        """Return for how many seconds the oldest running job has been at work."""
        now = time.monotonic()
        return now - min(self._running.values(), default=now)


def _outcome(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    # Raised in the thread, an error would be printed by gevent as if nobody handled it.
    try:
        return work(), None
    except Exception as error:
        return None, error


class BufferedApplication:
    """A WSGI application that gets whole requests and gives whole answers.

    Args:
        application: the shop; it runs in one of `threads`.
        read_body_limit: returns how many bytes the body of a request, given as its WSGI environment, may
            have; called in a thread, for bodies above `SMALL_BODY_BYTES` only.
    """

    def __init__(
        self, application: Application, threads: Threads, read_body_limit: Callable[[dict[str, Any]], int]
    ) -> None:
        self._application = application
        self._threads = threads
        self._read_body_limit = read_body_limit

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == LIVENESS_PATH:
            return self._application(environ, start_response)
        self._read_body(environ)
        return self._threads.run(partial(self._respond, environ, start_response))

    def _read_body(self, environ: dict[str, Any]) -> None:
        """Replace ``wsgi.input`` by what it gives, and by nothing when that is more than allowed.

        Django refuses a body by the length in its header, which is set for bodies sent in chunks too.

        Raises:
            StopIteration: the client has left, or is silent; gunicorn closes the connection.
        """
        declared = int(environ.get("CONTENT_LENGTH") or 0)
        source = environ["wsgi.input"]
        environ["wsgi.input"] = io.BytesIO()
        if not declared and not environ.pop("HTTP_TRANSFER_ENCODING", ""):
            return
        limit = SMALL_BODY_BYTES
        if declared > limit:
            limit = self._threads.run(partial(self._read_body_limit, environ))
            if declared > limit:
                return
        body = SpooledTemporaryFile(max_size=BLOCK_BYTES)  # noqa: SIM115  The shop reads it.
        size = 0
        try:
            while block := source.read(BLOCK_BYTES):
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

    def _respond(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        response = self._application(environ, start_response)
        # gunicorn sends files itself, in blocks.
        if isinstance(response, FileWrapper):
            return response
        try:
            if not getattr(response, "streaming", False):
                return _blocks(b"".join(response))
            # Produced as a whole, so that a client that reads slowly keeps neither the thread nor its
            # database cursor.
            answer = SpooledTemporaryFile(max_size=SMALL_BODY_BYTES)  # noqa: SIM115  It is sent afterwards.
            for block in response:
                answer.write(block)
            answer.seek(0)
            return iter(partial(answer.read, BLOCK_BYTES), b"")
        finally:
            response.close()


def _blocks(body: bytes) -> Any:
    """Return a body in pieces, each of which a slow client has `SILENCE_SECONDS` to take."""
    if len(body) <= BLOCK_BYTES:
        return [body]
    return (body[start : start + BLOCK_BYTES] for start in range(0, len(body), BLOCK_BYTES))


class _Address:
    """The address of a listening socket, which may be closed while its connections are served."""

    def __init__(self, listener: Any) -> None:
        self._name = listener.getsockname()

    def getsockname(self) -> Any:
        return self._name


class WebWorker(GeventWorker):
    """Reads requests and sends answers on gevent's event loop, and runs the shop in threads."""

    def patch(self) -> None:
        # Only the listening sockets belong to the event loop: gunicorn would patch every module here.
        self.sockets: list[Any] = [
            socket.socket(listener.FAMILY, socket.SOCK_STREAM, fileno=listener.sock.detach())
            for listener in self.sockets
        ]

    def load_wsgi(self) -> None:
        super().load_wsgi()
        # Not before Django is set up.
        from backend.core.middleware import read_body_limit

        self._threads = Threads()
        # Connections that wait for a request, the longest waiting first, with the time when they began to.
        self._idle: dict[gevent.Greenlet, tuple[gevent.Timeout, float]] = {}
        application: Application = self.wsgi
        self.wsgi: Application = BufferedApplication(application, self._threads, read_body_limit)

    def notify(self) -> None:
        """Tell the master that this worker is well; it replaces one whose request hangs for `timeout`."""
        if self._threads.longest_run() < self.cfg.timeout:
            super().notify()

    def run(self) -> None:
        """Serve until TERM, then finish the requests that clients have sent and close every connection."""
        servers = []
        for listener in self.sockets:
            listener.setblocking(True)
            connections = Pool(self.worker_connections)
            server = StreamServer(
                listener, handle=partial(self.handle, _Address(listener)), spawn=connections
            )
            # Workers share the queue of new connections; none takes several at a time.
            server.max_accept = 1
            server.start()
            servers.append(server)
        while self.alive:
            self.notify()
            gevent.sleep(0.2)
        for server in servers:
            # The kernel resets the connections that are left in the queue of a closed socket.
            server.stop_accepting()
            while (accepted := server.do_read()) is not None:
                server.do_handle(*accepted)
            server.close()
        self._finish([server.pool for server in servers])

    def _finish(self, connections: list[Pool]) -> None:
        stopped = time.monotonic()
        while any(connections):
            self.notify()
            gevent.sleep(0.05)
            now = time.monotonic()
            for connection, (_, since) in list(self._idle.items()):
                if max(since, stopped) + IDLE_GRACE_SECONDS < now:
                    self._end_idle(connection)
            if stopped + self.cfg.graceful_timeout < now:
                self.log.warning("Requests are cut off after %s seconds", self.cfg.graceful_timeout)
                return

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        client.settimeout(SILENCE_SECONDS)
        AsyncWorker.handle(self, listener, client, addr)

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Bound the wait for the next request; the longest waiting connection makes room for new ones."""
        if len(self._idle) >= self.worker_connections // 2:
            self._end_idle(next(iter(self._idle)))
        connection = gevent.getcurrent()
        # The second argument makes it end the block quietly.
        with gevent.Timeout(self.cfg.keepalive, False) as timeout:
            self._idle[connection] = (timeout, time.monotonic())
            try:
                yield
            finally:
                self._idle.pop(connection, None)

    def _end_idle(self, connection: gevent.Greenlet) -> None:
        timeout, _ = self._idle.pop(connection)
        gevent.kill(connection, timeout)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        try:
            super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            raise StopIteration from None
        except StopIteration:
            with gevent.Timeout(DISCARD_SECONDS, False):
                while req.body.read(BLOCK_BYTES):
                    pass
            raise
