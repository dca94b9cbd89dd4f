"""A private PostgreSQL server for tests: own data, own port, no durability; nothing of the machine's cluster is used.

It refuses to run as root, so root starts it as the user ``postgres`` (or ``nobody``). It listens on the loopback
address only and asks for a password.
"""

import os
import secrets
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from deploy.local.children import Children
from deploy.local.installation import ServerMissing
from deploy.local.lifetime import Server
from deploy.local.places import LOCAL
from deploy.local.ports import LOOPBACK, free_block
from deploy.local.unprivileged import account, shown

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 200
log_min_messages = warning
"""
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class PostgresFailed(RuntimeError):
    """The server could not be made or started; the text ends with what it said last."""


def programs() -> Path:
    """The folder of the newest installed server's programs.

    Raises:
        ServerMissing: none is installed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not found:
        raise ServerMissing("PostgreSQL is not installed: apt-get install --no-install-recommends postgresql")
    return found[-1].parent


class PrivatePostgres(Server):
    """One server, thrown away at the end. Blocking; use it as a context manager."""

    def __init__(self) -> None:
        self._programs = programs()
        self._user = account("postgres", "nobody")
        self._folder = LOCAL / "postgres" / secrets.token_hex(4)
        self._password = secrets.token_urlsafe(18)
        self._children = Children()
        self._server: subprocess.Popen[bytes] | None = None
        self.port = 0

    def url(self, database: str) -> str:
        """The address of a database for SQLAlchemy with psycopg 3."""
        return f"postgresql+psycopg://mailroom:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, like: str = "template0") -> str:
        """Makes an empty database, or one ``like`` another that nobody is connected to, and returns its name."""
        name = f"test_{secrets.token_hex(6)}"
        self._psql(f"CREATE DATABASE {name} TEMPLATE {like}")
        return name

    def drop_database(self, name: str) -> None:
        """Removes a database and ends its connections."""
        self._psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def start(self, timeout: float = 30.0) -> Self:
        """Starts it; after :meth:`stop` on the same data and port.

        Raises:
            PostgresFailed: it ended or was not ready in time.
        """
        if not self.port:
            self._initialise()
        seen = shown(self._folder, self._user)
        self._server = self._children.start(
            seen.command(str(self._programs / "postgres"), "-D", str(seen.folder / "data"), "-p", str(self.port)),
            environment=_ENVIRONMENT,
            output=self._folder / "log",
            last_signal=signal.SIGQUIT,
        )
        until = time.monotonic() + timeout
        while time.monotonic() < until and self._server.poll() is None:
            try:
                self._psql("SELECT 1")
            except PostgresFailed:
                time.sleep(0.05)
            else:
                return self
        log = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
        raise PostgresFailed(f"PostgreSQL did not start:\n{log[-1500:]}")

    def _initialise(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True)
        self._children.remove_at_end(self._folder)
        secret = self._folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self._password, encoding="ascii")
        if self._user is not None:
            for path in (self._folder, secret):
                os.chown(path, self._user.uid, self._user.gid)
        seen = shown(self._folder, self._user)
        self._run(
            *seen.command(str(self._programs / "initdb"), "-D", str(seen.folder / "data"), "-U", "mailroom"),
            *(f"--pwfile={seen.folder / 'password'}", "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        )
        with (self._folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(_SETTINGS)
        self.port = free_block(1)

    def _psql(self, statement: str) -> None:
        where = ("-h", LOOPBACK, "-p", str(self.port), "-U", "mailroom", "-d", "postgres")
        self._run(str(self._programs / "psql"), "-X", "-q", *where, "-c", statement, password=self._password)

    def _run(self, *command: str, password: str = "") -> None:
        done = subprocess.run(
            command,
            env=_ENVIRONMENT | {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "5", "HOME": str(self._folder)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise PostgresFailed((done.stderr or done.stdout).strip()[-1500:])

    def stop(self) -> None:
        """Ends the server and its connections at once; the data stay."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Ends it without a word; what was committed is found again at the next start."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is not None:
            self._children.end(server, how, 10.0)

    def close(self) -> None:
        """Ends it and throws its data away; may be called twice."""
        self._end(signal.SIGQUIT)
        self._children.close()
