"""A mail server that delivers nothing and saves every mail as an .eml file."""

import asyncio
import email.policy
import signal
import subprocess
import sys
import time
from email import message_from_bytes
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from backend.embedded import addresses, processes


def start(data_dir: Path, *, port: int = 0, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start the mail sink of ``data_dir`` on a TCP port of 127.0.0.1.

    Args:
        port: 0 for a free one.
        log: a file for its output, which is otherwise piped to the caller.

    Raises:
        EmbeddedError: the mail sink does not start.
    """
    port_file = addresses.get_mail_port_file(data_dir)
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "backend.embedded.mail_sink", str(data_dir), str(port)]
    server = processes.spawn(command, data_dir, log=log)
    with processes.stop_unless_ready(server, stop):
        processes.wait_until(port_file.exists, server, "The mail sink", log=log)
    return server


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the mail sink."""
    processes.stop([server], signal.SIGTERM)


class _Mailbox:
    """Handler of an SMTP server that saves each mail; aiosmtpd calls ``handle_DATA``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        path = self.directory / f"{time.time_ns()}.eml"
        path.write_bytes(content)
        subject = message_from_bytes(content, policy=email.policy.default).get("Subject", "")
        print(f"to {', '.join(envelope.rcpt_tos)}: {subject} -> {path}", flush=True)
        return "250 Saved as a file"


def _make_smtp(mailbox: _Mailbox, loop: asyncio.AbstractEventLoop) -> SMTP:
    # The shop logs in if SMTP_FROM_PASSWORD is set; every password is accepted.
    return SMTP(
        mailbox,
        enable_SMTPUTF8=True,
        auth_require_tls=False,
        authenticator=lambda *arguments: AuthResult(success=True),
        loop=loop,
    )


async def serve(data_dir: Path, port: int) -> None:
    """Accept mails until SIGTERM and save each in ``data_dir/mail``."""
    mailbox = data_dir / "mail"
    mailbox.mkdir(mode=0o700, exist_ok=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _make_smtp(_Mailbox(mailbox), loop), "127.0.0.1", port)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    port_file = addresses.get_mail_port_file(data_dir)
    unfinished = port_file.with_suffix(".new")
    unfinished.write_text(str(server.sockets[0].getsockname()[1]))
    unfinished.rename(port_file)
    try:
        await stopped.wait()
    finally:
        port_file.unlink(missing_ok=True)
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
