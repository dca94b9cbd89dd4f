"""Waiting for something to become true, within a bound; the tests' only way to wait.

A test never sleeps for a fixed time in the hope that something has happened by then: it says what it waits for.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

INTERVAL = 0.02
PATIENCE = 20.0
"""Seconds for what usually takes a moment: several workers and their servers share the machine."""

T = TypeVar("T")


async def eventually(condition: Callable[[], T | Awaitable[T]], timeout: float = PATIENCE, *, what: str = "") -> T:
    """Returns the first truthy answer of ``condition``, which may be a coroutine function.

    Raises:
        AssertionError: it was not truthy within ``timeout`` seconds; the text has ``what`` and the last answer.
    """
    until = time.monotonic() + timeout
    while True:
        answer = condition()
        value: T = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() >= until:
            raise AssertionError(_late(condition, timeout, what, value))
        await asyncio.sleep(INTERVAL)


def eventually_blocking(condition: Callable[[], T], timeout: float = PATIENCE, *, what: str = "") -> T:
    """The same for tests that run without a loop."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= until:
            raise AssertionError(_late(condition, timeout, what, value))
        time.sleep(INTERVAL)


def _late(condition: object, timeout: float, what: str, value: object) -> str:
    name = what or getattr(condition, "__qualname__", "the condition")
    return f"{name} did not come true within {timeout:g} s; last answer: {value!r}"


async def remains(condition: Callable[[], object | Awaitable[object]], seconds: float, *, what: str = "") -> None:
    """Checks that ``condition`` is true now and all the time for ``seconds``: for what must *not* happen.

    Raises:
        AssertionError: it was not, at some look.
    """
    until = time.monotonic() + seconds
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if not value:
            raise AssertionError(f"{what or getattr(condition, '__qualname__', 'the condition')} did not remain true")
        if time.monotonic() >= until:
            return
        await asyncio.sleep(INTERVAL)
