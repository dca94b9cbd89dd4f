"""How the suite is shared out among processes: how many there are, and which tests have the machine to themselves.

Every worker has servers of its own, on ports of its own (:mod:`deploy.local.ports`), so tests of different workers
never meet. A file stays with one worker (``--dist loadfile``): fixtures of a module are made once. What measures time
so closely that a busy machine would change the result is marked ``alone``.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from deploy.local.places import LOCAL


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are processors, because most tests wait; none when a single file or test was asked for."""
    asked: list[str] = config.option.file_or_dir
    if len(asked) == 1 and ".py" in asked[0]:
        return 0
    return min(len(os.sched_getaffinity(0)) + 1, 8)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Calls a long text by its argument's name: it may hold a key made anew by each worker, and they must agree."""
    return argname if isinstance(val, str | bytes) and len(val) > 40 else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Has a test marked ``alone`` wait until no other runs, and the others until it has ended.

    The outermost wrapper: waiting for one's turn does not count against the test's own time.
    """
    run = getattr(item.config, "workerinput", {}).get("testrunuid")
    if run is None:
        return (yield)
    with taking_turns(_file(run), alone=item.get_closest_marker("alone") is not None):
        return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Names the run, in the process that starts the workers."""
    if not hasattr(config, "workerinput"):
        config.option.testrunuid = config.option.testrunuid or secrets.token_hex(8)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the file the workers agreed by."""
    if not hasattr(config, "workerinput"):
        _file(config.option.testrunuid).unlink(missing_ok=True)


def _file(run: str) -> Path:
    return LOCAL / "tmp" / f"turn-{run}"


@contextlib.contextmanager
def taking_turns(file: Path, *, alone: bool) -> Iterator[None]:
    """Holds the file's two locks (byte 0: the door, byte 1: the room) so that nobody waits for ever.

    Whoever wants the room to himself keeps the door shut while those inside finish.
    """
    with file.open("a+b") as opened:
        fcntl.lockf(opened, fcntl.LOCK_EX, 1, 0)
        fcntl.lockf(opened, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, 1, 1)
        if not alone:
            fcntl.lockf(opened, fcntl.LOCK_UN, 1, 0)
        yield
