"""A folder of its own for every run of the demo, below ``.local/``; those of runs that have ended are removed."""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from deploy.local.places import LOCAL


@contextlib.contextmanager
def fresh_folder() -> Iterator[Path]:
    """A new folder that only this user can read. It stays, to be looked at, until the next run removes it."""
    LOCAL.mkdir(exist_ok=True)
    with contextlib.ExitStack() as held:
        with _locked(LOCAL):  # so that no other run takes the new folder for an old one
            for old in LOCAL.glob("demo-*"):
                if _ended(old):
                    shutil.rmtree(old, ignore_errors=True)
            folder = LOCAL / f"demo-{secrets.token_hex(4)}"
            folder.mkdir(mode=0o700)
            held.enter_context(_locked(folder))
        yield folder


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the kernel's lock on a folder, which goes with this process however it ends."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def _ended(folder: Path) -> bool:
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(place)
    return True
