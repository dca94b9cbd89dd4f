"""What the database's failure is called: where it happened and what it was, without user, password or driver's text.

libpq gives no SQLSTATE for a connection that was refused, so there the server's English sentence is looked for; in
another language the failure is called "cannot be reached". The sentence itself is never repeated: it names the user.
"""

import re
from typing import Final

from sqlalchemy.engine import URL
from sqlalchemy.exc import TimeoutError as PoolTimeout

from config.errors import StoreUnavailable

_REFUSED: Final = "refused the user or password"
_NO_DATABASE: Final = "has no such database"
_LATE: Final = "did not answer in time"
_FULL: Final = "has no connection left"
_CHANGING: Final = "is starting or stopping"
_AWAY: Final = "cannot be reached"

_STATES: Final = (
    ("28", _REFUSED),
    ("3D000", _NO_DATABASE),
    ("42501", "does not give the user the permissions needed"),
    ("53300", _FULL),
    ("53100", "has no space left on its disk"),
    ("25006", "can only be read"),
    ("55P03", _LATE),
    ("57014", _LATE),
    ("57P", _CHANGING),
    ("08", _AWAY),
)
"""Beginnings of SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

_SENTENCES: Final = (
    (
        re.compile(r"authentication failed|no password supplied|pg_hba\.conf|role \".*\" (does not exist|is not)"),
        _REFUSED,
    ),
    (re.compile(r"database \".*\" does not exist"), _NO_DATABASE),
    (re.compile(r"too many clients|too many connections|remaining connection slots"), _FULL),
    (re.compile(r"database system is (starting|shutting)|recovery mode"), _CHANGING),
    (re.compile(r"timeout expired"), _LATE),
    (re.compile(r"failed to resolve host|could not translate host name"), "has a host name that is not known"),
    (re.compile(r"SSL|certificate"), "does not agree on TLS with this machine"),
)

_SQLITE: Final = {
    "SQLITE_NOTADB": "is not an SQLite database",
    "SQLITE_CORRUPT": "is damaged",
    "SQLITE_CANTOPEN": "cannot be opened",
    "SQLITE_READONLY": "cannot be written",
    "SQLITE_BUSY": "is locked by another process",
    "SQLITE_FULL": "cannot be written: no space is left on its disk",
    "SQLITE_IOERR": "cannot be read or written: the disk or file system failed",
}


def unavailable(target: URL, error: BaseException) -> StoreUnavailable:
    """The error to raise for what the database or its driver did; chain ``error`` to it."""
    return StoreUnavailable(f"{_place(target)} {_problem(target, error)}")


def _place(target: URL) -> str:
    if target.get_backend_name() == "sqlite":
        return f"SQLite file {target.database}:"
    host, database = target.host or str(target.query.get("host", "the local socket")), target.database or "(default)"
    if "@" in host + database:
        # A password with a bare @ or / in it spills into what follows.
        return "PostgreSQL (in MAILROOM_DATABASE_URL, write @ as %40 and / as %2F in the password)"
    host = f"[{host}]" if ":" in host else host
    return f"PostgreSQL at {host}:{target.port or 5432}, database {database}:"


def _problem(target: URL, error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    if target.get_backend_name() == "sqlite":
        problem, code = _sqlite_problem(cause)
    else:
        problem, code = _postgresql_problem(cause)
    return f"{problem} ({code})" if code else problem


def _sqlite_problem(cause: BaseException) -> tuple[str, str]:
    code = str(getattr(cause, "sqlite_errorname", ""))
    for beginning, problem in _SQLITE.items():
        if code.startswith(beginning):  # an extended code begins with the primary one
            return problem, ""
    if isinstance(cause, TimeoutError | PoolTimeout):
        return _LATE, ""
    if isinstance(cause, OSError) and cause.strerror:
        return f"cannot be opened: {cause.strerror}", ""
    return "a statement failed", f"{type(cause).__name__} {code}".strip()


def _postgresql_problem(cause: BaseException) -> tuple[str, str]:
    code = getattr(cause, "sqlstate", None)
    if code:
        for beginning, problem in _STATES:
            if code.startswith(beginning):
                return problem, code
        return "a statement failed", f"{type(cause).__name__} {code}"
    if isinstance(cause, TimeoutError | PoolTimeout) or type(cause).__name__ == "ConnectionTimeout":
        return _LATE, ""
    if isinstance(cause, OSError) or type(cause).__name__ == "OperationalError":
        text = str(cause)
        return next((problem for pattern, problem in _SENTENCES if pattern.search(text)), _AWAY), ""
    return "a statement failed", type(cause).__name__
