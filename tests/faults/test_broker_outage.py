"""Mails, the worker and beat after Redis was silent or has been restarted."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock
from uuid import uuid4

from django.conf import settings
from django.test import SimpleTestCase, TransactionTestCase
from kombu import Connection, Queue
from redis import Redis

from backend.config.broker_connection import BrokerConnection
from backend.embedded import addresses, processes, valkey
from backend.notifications.models import OutgoingEmail
from tests.faults.test_services_down import dead_address
from tests.support.deployed import read_deployed_command
from tests.support.worker import MailServer, Worker, wait_until

# Seconds after the return of Redis.
MAX_DELAY = 15


class BrokerOutageTest(TransactionTestCase):
    """The worker and beat as they are deployed, with a Valkey of their own."""

    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        addresses.get_socket_dir(self.directory).mkdir()
        self.start_valkey()
        self.addCleanup(self.stop_valkey)
        self.mail_server = MailServer()
        self.mail_server.start()
        self.addCleanup(self.mail_server.stop)
        variables = addresses.get_valkey_variables(self.directory)
        self.worker = Worker(
            self.mail_server, command=read_deployed_command("worker"), LOG_LEVEL="INFO", **variables
        )
        self.addCleanup(self.worker.stop)
        self.worker.start()
        database = {"DB_NAME": settings.DATABASES["default"]["NAME"]}
        with mock.patch.dict(os.environ, variables | database):
            beat = processes.spawn(
                [sys.executable, "-m", *read_deployed_command("beat", data_dir=self.directory)],
                settings.ENV.data_dir,
                log=self.directory / "beat.log",
            )
        self.addCleanup(processes.stop, [beat], signal.SIGTERM)
        self.beat = beat
        self.create_mail("first@example.com")
        self.mail_server.wait_for_mail("first@example.com")

    def start_valkey(self) -> None:
        self.valkey: subprocess.Popen[bytes] = valkey.start(self.directory)

    def stop_valkey(self) -> None:
        self.valkey.send_signal(signal.SIGCONT)
        valkey.stop(self.valkey)

    def create_mail(self, recipient: str) -> None:
        """Create a mail as a process does that cannot reach the broker."""
        OutgoingEmail.objects.create(
            task="accounts.send_already_registered", recipient=recipient, language="en"
        )

    def assert_arrive(self, recipients: list[str]) -> None:
        """Assert that mails arrive in time, once each, and that no process has ended or logged a trace."""
        unsent = OutgoingEmail.objects.filter(recipient__in=recipients).exclude(status="sent")
        wait_until(lambda: not unsent.exists(), "all mails", max_seconds=MAX_DELAY)
        for recipient in recipients:
            self.mail_server.wait_for_mail(recipient)
        assert self.beat.poll() is None
        for log in (self.worker.output(), (self.directory / "beat.log").read_text()):
            assert "Traceback" not in log, log

    def test_mails_of_a_silence_arrive_within_15_seconds_after_it(self) -> None:
        self.valkey.send_signal(signal.SIGSTOP)
        recipients = [f"silence{number}@example.com" for number in range(5)]
        for recipient in recipients:
            self.create_mail(recipient)
            time.sleep(2)
        self.valkey.send_signal(signal.SIGCONT)
        self.assert_arrive(recipients)

    def test_mails_of_a_restart_arrive_within_15_seconds_after_it(self) -> None:
        may_answer = threading.Event()
        self.mail_server.before_answer = lambda: may_answer.wait(60)
        self.create_mail("unfinished@example.com")
        self.mail_server.wait_for_mail("unfinished@example.com")
        self.valkey.kill()
        self.valkey.wait()
        # The worker acknowledges the task over a connection that it has lost.
        wait_until(lambda: self.worker.log_matches("Connection to broker lost"), "the loss")
        may_answer.set()
        self.create_mail("outage@example.com")
        # Celery would now wait for 8 seconds between two attempts to connect.
        wait_until(lambda: self.worker.output().count("Cannot connect") >= 4, "four attempts to connect")
        self.start_valkey()
        self.assert_arrive(["unfinished@example.com", "outage@example.com"])

    def test_mails_arrive_within_15_seconds_after_the_memory_of_redis_was_full(self) -> None:
        """The worker receives a task that it cannot record in Redis as unfinished."""
        self.create_mail("full@example.com")
        self.worker.freeze()
        wait_until(lambda: self.count_published() > 0, "a second task of beat")
        self.set_max_memory(1)
        self.worker.resume()
        wait_until(lambda: self.worker.log_matches("OutOfMemoryError"), "the error")
        self.create_mail("later@example.com")
        time.sleep(3)
        self.set_max_memory(0)
        self.assert_arrive(["full@example.com", "later@example.com"])

    def count_published(self) -> int:
        """Return the number of tasks that wait for the worker."""
        with self.connect() as client:
            return int(client.llen("celery"))

    def set_max_memory(self, size: int) -> None:
        """Limit Valkey's memory, so that it refuses further writes; 0 means no limit."""
        with self.connect() as client:
            client.config_set("maxmemory", size)

    def connect(self) -> Redis:
        return Redis(unix_socket_path=str(addresses.get_valkey_socket(self.directory)))


class ReconnectTest(SimpleTestCase):
    def collect_delays(self, connection_class: type[Connection]) -> list[float]:
        """Return the delays between attempts to connect to a broker that is down."""
        delays: list[float] = []
        with dead_address() as address, mock.patch("kombu.utils.functional.sleep"):
            connection = connection_class(f"redis://{address.host}:{address.port}/0")
            with self.assertRaises(connection.recoverable_connection_errors):
                connection.ensure_connection(
                    lambda error, delay: delays.append(delay), max_retries=20, reraise_as_library_errors=False
                )
        return delays

    def test_delay_does_not_grow(self) -> None:
        assert set(self.collect_delays(BrokerConnection)) == {2}

    def test_delay_of_celery_grows_to_30_seconds(self) -> None:
        assert max(self.collect_delays(Connection)) == 30


class ClosedConnectionTest(SimpleTestCase):
    def acknowledge_after_close(self, connection_class: type[Connection]) -> None:
        """Receive a task, close the connection and acknowledge the task, as Celery does after an outage."""
        connection = connection_class(settings.CELERY_BROKER_URL)
        queue = Queue(f"test {uuid4()}", auto_delete=True)(connection.default_channel)
        queue.declare()
        with connection.Producer() as producer:
            producer.publish({}, routing_key=queue.name)
        message = queue.get()
        assert message is not None
        connection.close()
        # As the error of a lost connection does.
        message.channel._disconnect_pools()
        message.ack()

    def test_task_is_acknowledged_over_a_closed_connection_with_a_connection_error(self) -> None:
        with self.assertRaises(BrokerConnection(settings.CELERY_BROKER_URL).connection_errors):
            self.acknowledge_after_close(BrokerConnection)

    def test_connection_of_celery_raises_an_error_that_ends_the_worker(self) -> None:
        with self.assertRaises(AttributeError):
            self.acknowledge_after_close(Connection)
