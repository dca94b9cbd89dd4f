"""Strict reading of JSON: any bytes become plain values or :class:`InvalidEvent`, nothing else.

Stricter than the standard library where two readers of one document could disagree (RFC 8259 §4, §6, §8.1): a name
used twice, numbers that are not JSON, a byte order mark, anything but UTF-8. It knows nothing of events.
"""

import json
import math
import re
from collections import Counter
from typing import Final

_SAFE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_HALF: Final = re.compile("[\ud800-\udfff]")
_LONGEST_PATH: Final = 200
_LONGEST_INTEGER: Final = 20


class InvalidEvent(Exception):
    """An event breaks the contract; it fails the same way again.

    ``path`` names the field (``data.to[0].address``), empty for the message as a whole; ``problem`` is a sentence
    for the platform's developer. Neither ever contains a value of the event.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'event'} {problem}")
        self.path = path
        self.problem = problem


def path_of(location: tuple[int | str, ...]) -> str:
    """A location as text: ``("data", "to", 0, "address")`` is ``data.to[0].address``.

    A name that does not look like a field's name becomes ``?``: it may well be a value in the wrong place.
    """
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += ("." if path else "") + (step if _SAFE_NAME.fullmatch(step) else "?")
    return path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "…"  # it becomes a message header


class _Repeated(dict[str, object]):
    """An object in which ``name`` occurred more than once."""

    def __init__(self, found: dict[str, object], pairs: list[tuple[str, object]]) -> None:
        super().__init__(found)
        counted = Counter(name for name, _ in pairs)
        self.name = next(name for name, count in counted.items() if count > 1)


def read_object(body: bytes, max_bytes: int) -> dict[str, object]:
    """The JSON object in ``body``. Raises :class:`InvalidEvent` for everything else, whatever the bytes are."""
    if len(body) > max_bytes:
        raise InvalidEvent("", f"has more than {max_bytes} bytes")
    # Every refusal is raised outside its handler: the library's errors hold the input, and would be the context.
    text = _decoded(body)
    if text is None:
        raise InvalidEvent("", "is not UTF-8")
    if text.startswith("\ufeff"):
        raise InvalidEvent("", "starts with a byte order mark; JSON must not")
    failure, value, repeated = _loaded(text)
    if failure:
        raise InvalidEvent("", failure)
    if not isinstance(value, dict):
        raise InvalidEvent("", "must be a JSON object")
    # Half a surrogate pair cannot come through UTF-8, only as an escape; most documents are spared the walk.
    if repeated or "\\ud" in text or "\\uD" in text:
        _refuse_ambiguous(value)
    return value


def _decoded(body: bytes) -> str | None:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _loaded(text: str) -> tuple[str, object, bool]:
    """What is wrong with the text, else its value and whether a name occurs twice in it."""
    repeated = False

    def collect(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal repeated
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        repeated = True
        return _Repeated(found, pairs)

    try:
        return "", json.loads(text, object_pairs_hook=collect, parse_int=_integer), repeated
    except json.JSONDecodeError as error:
        return f"is not JSON (line {error.lineno}, column {error.colno})", None, False
    except RecursionError:
        return "is nested too deeply", None, False


def _integer(digits: str) -> int | float:
    # A number nobody can mean. Python refuses to convert very long ones; infinity is refused by every field.
    return int(digits) if len(digits) <= _LONGEST_INTEGER else math.inf


def _refuse_ambiguous(root: object) -> None:
    """Finds repeated names and half surrogate pairs. Iterative: a document may be as deep as the reader allows."""
    todo: list[tuple[tuple[int | str, ...], object]] = [((), root)]
    while todo:
        location, value = todo.pop()
        if isinstance(value, _Repeated):
            raise InvalidEvent(path_of((*location, value.name)), "is given more than once")
        if isinstance(value, str) and _halved(value):
            raise InvalidEvent(path_of(location), "holds half of a surrogate pair, which is no character")
        if isinstance(value, dict):
            for name, inner in value.items():
                if _halved(name):
                    raise InvalidEvent(path_of((*location, name)), "has half of a surrogate pair in its name")
                todo.append(((*location, name), inner))
        elif isinstance(value, list):
            todo.extend(((*location, index), inner) for index, inner in enumerate(value))


def _halved(text: str) -> bool:
    return _HALF.search(text) is not None
