"""A TCP proxy that cuts or holds the connections to a server."""

import socket
import threading
from contextlib import suppress

from tests.support.ports import find_free_port


class FaultProxy:
    """Forward connections to a local port, until a fault is switched on.

    Attributes:
        is_silent: accept connections, and forward nothing.
        cut_requests_after: close a connection when the client has sent this number of bytes.
        cut_responses_after: close a connection when the server has sent this number of bytes.
    """

    def __init__(self, server_port: int) -> None:
        self.port = find_free_port()
        self._server_port = server_port
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self.clear()

    def clear(self) -> None:
        """Switch all faults off."""
        self.is_silent = False
        self.cut_requests_after: int | None = None
        self.cut_responses_after: int | None = None
        if self._listener is None:
            self.start()

    def start(self) -> None:
        """Accept connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._listener:
            # Wakes the thread that accepts connections.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def drop_connections(self) -> None:
        """Close all connections."""
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._open.append(client)
            if self.is_silent:
                continue
            server = socket.create_connection(("127.0.0.1", self._server_port))
            for source, target, limit in (
                (client, server, self.cut_requests_after),
                (server, client, self.cut_responses_after),
            ):
                threading.Thread(target=self._forward, args=(source, target, limit), daemon=True).start()

    @staticmethod
    def _forward(source: socket.socket, target: socket.socket, limit: int | None) -> None:
        left = limit
        with suppress(OSError):
            while data := source.recv(65536 if left is None else max(1, min(left, 65536))):
                if left == 0:
                    break
                target.sendall(data)
                if left is not None:
                    left -= len(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
