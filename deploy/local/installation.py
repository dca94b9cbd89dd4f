"""Where the programs of RabbitMQ are: Debian's package, or packages unpacked below another root.

It starts nothing. Debian's wrappers in ``/usr/sbin`` are passed over on purpose: they change to the user
``rabbitmq`` and read that user's cookie, so a node with a home of its own cannot be reached through them.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
_RELEASES = Path("/usr/lib/rabbitmq/lib")


class ServerMissing(RuntimeError):
    """A server program is not installed; the text says which package brings it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A RabbitMQ server: ``root`` is ``/``, or a folder into which a newer release was unpacked."""

    root: Path = Path("/")

    @property
    def foreign(self) -> bool:
        """Whether it runs inside another root (needs to be started by root)."""
        return self.root != Path("/")

    @property
    def version(self) -> str:
        """The release, such as ``3.10.8``.

        Raises:
            ServerMissing: there is none below ``root``.
        """
        folder = self.root / _RELEASES.relative_to("/")
        for release in sorted(folder.glob("rabbitmq_server-*"), reverse=True):
            found = re.fullmatch(r"rabbitmq_server-(\d[\w.]*)", release.name)
            if found:
                return found.group(1)
        if self.foreign:
            raise ServerMissing("no RabbitMQ is unpacked there: run deploy/local/rabbitmq4.sh as root")
        raise ServerMissing("RabbitMQ is not installed: apt-get install --no-install-recommends rabbitmq-server")

    def require(self) -> None:
        """Checks that the server can be started.

        Raises:
            ServerMissing: it is not installed, or another root is asked for without being root.
        """
        _ = self.version
        if self.foreign and os.geteuid() != 0:
            raise ServerMissing("a RabbitMQ below another root can only be started by root")

    def command(self, program: Path, shared: Path) -> list[str]:
        """The start of the argument list that runs ``program``, with the folder ``shared`` at the same place inside.

        For another root that is a private mount namespace, in which the parent of ``shared`` is mounted; every step
        replaces the one before, so the process id that the caller sees is the program's.
        """
        if not self.foreign:
            return [str(program)]
        mounted = shared.parent
        inside = self.root / mounted.relative_to("/")
        inside.mkdir(parents=True, exist_ok=True)
        script = (
            'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --bind "$2" "$1$2" '
            '&& root=$1 && shift 2 && exec chroot "$root" "$@"'
        )
        return ["unshare", "-m", "sh", "-c", script, "enter", str(self.root), str(mounted), str(program)]
