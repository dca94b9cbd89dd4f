"""What may stand in a log line: the one place where R18 is enforced, for our own loggers and everybody else's.

Names of fields are an allow-list; values are numbers or short texts without an ``@`` or control characters. Of an
exception its type and the places it went through remain: the texts of other people's exceptions hold addresses, replies
and statements. Only the texts of our own two families are kept, which promise to be safe.
Pure: it writes nothing.
"""

import math
import re
import sys
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final

from config.errors import ConfigError
from transports.errors import DeliveryError

ALLOWED_FIELDS: Final = frozenset(
    {
        # one event of a platform
        *("event_id", "organization", "category", "transport", "outcome", "code", "reason", "detail", "field"),
        *("attempt", "delay", "seconds", "size"),
        # the machinery
        *("partition", "queue", "count", "generation", "url", "port", "signal", "step", "state", "path", "version"),
        *("replica", "variables", "link", "node", "problem", "server_version", "scope"),
        # a request to the settings page: the route's pattern, never the path that was asked for
        *("method", "route", "status", "milliseconds", "incident"),
        # every line, and an exception
        *("event", "level", "timestamp", "logger", "error", "where", "withheld"),
    }
)
WITHHELD: Final = "[withheld]"
LONGEST: Final = 300
FRAMES: Final = 12
_UNSAFE: Final = re.compile("[@\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|%40")
_PLAIN_URL: Final = re.compile(r"[a-z+]+://(?:[^:@/?#\s]*(?::\*\*\*)?@)?[^@?#\s]*")
_LOGGER_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def clean(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that may be written; ``withheld`` counts those that may not. ``exc_info`` becomes type and places."""
    kept: dict[str, Any] = {}
    withheld = 0
    for name, value in fields.items():
        if name == "exc_info":
            continue
        if name not in ALLOWED_FIELDS:
            withheld += 1
            continue
        kept[name] = _value(name, value)
    fault = _exception(fields.get("exc_info"))
    if fault is not None:
        kept.update(describe(fault))
    if withheld:
        kept["withheld"] = withheld
    return kept


def describe(fault: BaseException) -> dict[str, Any]:
    """An exception without its values: ``error``, ``where`` and, for our own families, ``code`` or ``detail``."""
    described: dict[str, Any] = {"error": " < ".join(_chain(fault)), "where": places(fault.__traceback__)}
    if isinstance(fault, DeliveryError):
        described["code"] = str(fault.code)
    elif isinstance(fault, ConfigError):
        described["detail"] = _value("detail", str(fault).replace("\n", " | "))
    return described


def places(traceback: TracebackType | None) -> list[str]:
    """The innermost frames, outermost first, each as ``package/module.py:line function``."""
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found.append(place(code.co_filename, traceback.tb_lineno, code.co_qualname))
        traceback = traceback.tb_next
    return found[-FRAMES:]


def place(filename: str, line: int, function: str) -> str:
    """One place in the code, with the last two parts of its file's path."""
    return f"{'/'.join(filename.split('/')[-2:])}:{line} {function}".rstrip()


def logger_name(name: str) -> str:
    """The name of a logger, unless it is not a plain dotted one."""
    return name if _LOGGER_NAME.fullmatch(name) else "other"


def _value(name: str, value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else str(value)
    if isinstance(value, tuple | list | frozenset | set) and len(value) <= LONGEST:
        return [_value(name, item) for item in value]
    if not isinstance(value, str):
        return WITHHELD
    text = str(value)
    if len(text) > LONGEST or (_UNSAFE.search(text) and not (name == "url" and _PLAIN_URL.fullmatch(text))):
        return WITHHELD
    return text


def _exception(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return next((part for part in given if isinstance(part, BaseException)), None)
    return sys.exception() if given else None


def _chain(fault: BaseException) -> Iterator[str]:
    """The types of an exception and of what caused it, newest first."""
    seen: set[int] = set()
    current: BaseException | None = fault
    while current is not None and id(current) not in seen and len(seen) < FRAMES:
        seen.add(id(current))
        yield _type_name(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _type_name(fault: BaseException) -> str:
    name = f"{type(fault).__module__}.{type(fault).__qualname__}".removeprefix("builtins.")
    if not isinstance(fault, BaseExceptionGroup):
        return name
    inner = [_type_name(part) for part in fault.exceptions[:FRAMES]]
    return f"{name}({', '.join(inner)})"
