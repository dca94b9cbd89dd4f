"""Runs a server that must not run as root, on data below a clone that only root may reach.

For an ordinary user it changes nothing. For root the program runs as another user; when a folder above the data is
closed to that user (a clone in root's home), the data are shown to it at ``/mnt`` in a mount namespace of its own,
which nobody else sees.
"""

import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.installation import ServerMissing

_PLACE = Path("/mnt")
_MOUNT = f'mount --bind "$1" {_PLACE} && shift && exec "$@"'


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Seen:
    """How a server's programs are started and where they find ``folder``.

    Every step of ``prefix`` replaces the one before, so that the process started is the program.
    """

    folder: Path
    prefix: tuple[str, ...]

    def command(self, *arguments: str) -> list[str]:
        """The argument list for one program."""
        return [*self.prefix, *arguments]


def account(*names: str) -> Account | None:
    """The first of these users that exists, for root; ``None`` for an ordinary user, who stays who he is.

    Raises:
        ServerMissing: none exists.
    """
    if os.geteuid() != 0:
        return None
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ServerMissing(f"this server does not run as root, and there is no user {' or '.join(names)}")


def reachable(folder: Path, user: Account) -> bool:
    """Whether ``user`` may pass through every folder above ``folder``."""
    for above in folder.parents:
        found = above.stat()
        mine = 0o100 if found.st_uid == user.uid else 0o010 if found.st_gid == user.gid else 0o001
        if not found.st_mode & mine:
            return False
    return True


def shown(folder: Path, user: Account | None) -> Seen:
    """How programs that run as ``user`` (``None``: as ourselves, now) see ``folder``."""
    if user is None:
        return Seen(folder, ())
    drop = ("setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups", "--")
    if reachable(folder, user):
        return Seen(folder, drop)
    return Seen(_PLACE, (*mounted(folder), *drop))


def mounted(folder: Path) -> Sequence[str]:
    """The start of an argument list that shows ``folder`` at ``/mnt`` to one program, still as root."""
    return ("unshare", "-m", "sh", "-c", _MOUNT, "enter", str(folder))
