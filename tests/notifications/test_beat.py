"""Beat and a worker, started as they are deployed."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from celery import current_app
from celery.schedules import maybe_schedule
from django.conf import settings
from django.utils import timezone

from backend.config.beat import Scheduler
from backend.embedded import processes
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import WorkerCase
from tests.support.deployed import read_deployed_command
from tests.support.worker import MAX_SECONDS, wait_until

EMAIL = "vera@example.com"
SCHEDULE = settings.CELERY_BEAT_SCHEDULE


# Beat receives a signal while it opens its schedule, which some dbm modules then lock.
STOP_DURING_START = """
import os, shelve, signal, sys

def open_schedule(*arguments, **options):
    if openings:
        raise OSError("The schedule is locked")
    openings.append(arguments)
    os.kill(os.getpid(), signal.SIGTERM)
    return open_shelf(*arguments, **options)

openings = []
open_shelf, shelve.open = shelve.open, open_schedule
from celery.__main__ import main
sys.argv = ["celery", *sys.argv[1:]]
sys.exit(main())
"""


class BeatTest(WorkerCase):
    def test_worker_registers_every_scheduled_task(self) -> None:
        inspect = current_app.control.inspect(timeout=MAX_SECONDS, limit=1)
        [known] = inspect.registered().values()
        for name, entry in SCHEDULE.items():
            with self.subTest(name):
                assert entry["task"] in known
                assert maybe_schedule(entry["schedule"]).is_due(timezone.now()).next > 0

    def test_beat_sends_a_due_mail(self) -> None:
        OutgoingEmail.objects.create(
            task="accounts.send_already_registered", recipient=EMAIL, language="en", due_at=timezone.now()
        )
        self.start_beat()
        self.mail_server.wait_for_mail(EMAIL)
        wait_until(
            lambda: OutgoingEmail.objects.get().status == OutgoingEmail.Status.SENT, "the mail to be sent"
        )
        for entry in SCHEDULE.values():
            # The log line has the task id between the name and the result.
            done = rf"Task {entry['task']}\[\S+ succeeded"
            wait_until(lambda done=done: self.worker.log_matches(done), f"{entry['task']}")

    def test_signal_during_the_start_ends_beat_without_an_error(self) -> None:
        with TemporaryDirectory() as directory:
            _, *arguments = read_deployed_command("beat", data_dir=directory)
            beat = subprocess.run(
                [sys.executable, "-c", STOP_DURING_START, *arguments],
                env=processes.make_environment(settings.ENV.data_dir),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=MAX_SECONDS,
                check=True,
            )
        assert b"beat: Starting..." in beat.stdout
        assert b"Traceback" not in beat.stdout

    def start_beat(self) -> None:
        """Start beat after a long downtime, so that all tasks are due."""
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        schedule = Path(directory.name) / "beat-schedule"
        before = Scheduler(app=current_app, schedule_filename=str(schedule))
        for entry in before.schedule.values():
            entry.last_run_at -= timedelta(days=365)
        before.close()
        beat = processes.spawn(
            [sys.executable, "-m", *read_deployed_command("beat", data_dir=directory.name)],
            settings.ENV.data_dir,
            log=Path(directory.name) / "beat.log",
        )
        self.addCleanup(processes.stop, [beat], signal.SIGTERM)
        wait_until(Path(f"{schedule}-alive").exists, "the first tick of beat")
