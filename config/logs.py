"""Logging: one line for one thing that happened, as JSON or for a console, cleaned by :mod:`config.log_cleaning`.

Our modules call ``get_logger(__name__)`` and log a constant sentence with fields. Everything that is logged by a
library, warned, or raised and not caught comes out through the same door, without its text: of a library's message the
logger, the level and the place in the source remain. ``configure`` is for processes; until it is called, lines of our
own go to standard error, cleaned all the same.
"""

import asyncio
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from config import log_cleaning

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FIRST: Final = ("timestamp", "level", "logger", "event")

Fields = MutableMapping[str, Any]


class _Output:
    """Where lines go; ``None`` is whatever standard error is at that moment."""

    def __init__(self) -> None:
        self.stream: TextIO | None = None
        self.render: Callable[[Fields], str] = _as_json
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def write(self, level: str, logger: str, fields: Fields) -> None:
        now = self.now().isoformat(timespec="milliseconds")
        # The event stands here to come before the fields.
        line = {"timestamp": now, "level": level, "logger": logger, "event": ""}
        # One write for a line: processes that share a standard error do not mix theirs.
        (self.stream or sys.stderr).write(self.render({**line, **log_cleaning.clean(fields)}) + "\n")


def _as_json(fields: Fields) -> str:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def _as_text(fields: Fields) -> str:
    head = f"{fields['timestamp'][11:23]} {fields['level']:<7} {fields.get('event', '')}"
    rest = (
        f"{name}={' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in fields.items()
        if name not in _FIRST
    )
    return " ".join([head, *rest, f"({fields['logger']})"])


_output: Final = _Output()


class _Lines:
    """The end of structlog's chain: it keeps the logger's name."""

    def __init__(self, name: str = "", *_: object) -> None:
        self.name = log_cleaning.logger_name(name)

    def msg(self, _: str) -> None:
        """Nothing is left to do: the last processor wrote the line."""

    debug = info = warning = error = critical = exception = msg


def _write(lines: _Lines, method: str, fields: Fields) -> str:
    _output.write("error" if method == "exception" else method, lines.name, fields)
    raise structlog.DropEvent


def _structlog(level: int) -> None:
    structlog.configure(
        processors=[_write],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )


_structlog(logging.INFO)


class _LibraryHandler(logging.Handler):
    """Takes what the standard library's logging carries; a record's message and arguments are never looked at."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: Fields = {
            "event": "library message",
            "where": [log_cleaning.place(record.pathname, record.lineno, record.funcName or "")],
            "exc_info": record.exc_info,
        }
        _output.write(record.levelname.lower(), log_cleaning.logger_name(record.name), fields)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Says nothing: the inherited method prints the message and its arguments."""


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger of ours; ``name`` is the module's. Events are constant sentences, fields are on the allow-list."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def configure(
    level: str = "info",
    format: str = "json",
    *,
    stream: TextIO | None = None,
) -> None:
    """Sets up all logging of the process: ours, the libraries', warnings and exceptions that nobody caught.

    Libraries are heard from ``warning`` upwards, because without their texts the rest says nothing; with ``debug``
    all of it is. Can be called again; ``stream`` is standard error unless given.
    """
    _output.stream = stream
    _output.render = _as_text if format == "console" else _as_json
    _structlog(_LEVELS[level])
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(_LibraryHandler())
    root.setLevel(logging.DEBUG if level == "debug" else max(logging.WARNING, _LEVELS[level]))
    warnings.showwarning = _warned
    # A handler of a library's own that fails would print the message and its arguments.
    logging.raiseExceptions = False
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _thread_died


def install_loop_handler(loop: asyncio.AbstractEventLoop) -> None:
    """Lets the loop's own complaints (a task's exception that nobody fetched) come out cleaned, too."""
    loop.set_exception_handler(_loop_complained)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    where = [log_cleaning.place(filename, lineno, "")]
    _output.write("warning", "py.warnings", {"event": "warning", "error": category.__name__, "where": where})


def _uncaught(_: type[BaseException], fault: BaseException, traceback: TracebackType | None) -> None:
    if not isinstance(fault, KeyboardInterrupt):
        _output.write("error", "process", {"event": "uncaught exception", "exc_info": fault.with_traceback(traceback)})


def _unraisable(unraisable: Any) -> None:
    _output.write("error", "process", {"event": "exception could not be raised", "exc_info": unraisable.exc_value})


def _thread_died(arguments: threading.ExceptHookArgs) -> None:
    if not isinstance(arguments.exc_value, SystemExit):
        _output.write("error", "process", {"event": "uncaught exception in a thread", "exc_info": arguments.exc_value})


def _loop_complained(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # The context's message and the repr of its task or transport may hold addresses; only the exception is safe.
    _output.write("error", "asyncio", {"event": "error in the event loop", "exc_info": context.get("exception")})
