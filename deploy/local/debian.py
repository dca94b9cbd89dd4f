"""Installs Debian packages without starting their services; for root on Debian and its kin only.

Standard library only and Python 3.11: it runs before there is a virtual environment.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.local.places import LOCAL

POLICY = Path("/usr/sbin/policy-rc.d")
_REFUSE = "#!/bin/sh\n# Temporary: Mailroom's set-up installs a server without starting it.\nexit 101\n"
_APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3")
_POSTFIX = "postfix postfix/main_mailer_type select No configuration\n"


class CannotInstall(RuntimeError):
    """A package is missing and could not be installed; the text says what a person can do."""


def may_install() -> bool:
    """Whether packages can be installed here: root, with apt."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str], services: Sequence[str] = ()) -> None:
    """Installs ``packages``; none of their services is started, and ``services`` not at the next boot either.

    Raises:
        CannotInstall: not allowed, or apt failed; the text ends with its last lines.
    """
    names = " ".join(packages)
    if not may_install():
        raise CannotInstall(f"please have an administrator run: apt-get install --no-install-recommends {names}")
    with _only_one(), _services_stay_off():
        if "postfix" in packages and shutil.which("debconf-set-selections"):
            _run(["debconf-set-selections"], text=_POSTFIX)
        command = [*_APT, "install", "--no-install-recommends", *packages]
        # With fresh package lists the first try is enough; without, or with stale ones, they are read first.
        if _run(command) != 0 and (_run([*_APT, "update"]) != 0 or _run(command) != 0):
            raise CannotInstall(f"apt-get could not install {names}; its last lines:\n{_log_end()}")
        if services and shutil.which("systemctl"):
            _run(["systemctl", "disable", *services])


def _log() -> Path:
    file = LOCAL / "log" / "apt.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _log_end(lines: int = 12) -> str:
    return "\n".join(_log().read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _run(command: Sequence[str], text: str | None = None) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with _log().open("a", encoding="utf-8") as log:
        return subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL if text is None else None,
            input=text,
            stdout=log,
            stderr=log,
            text=True,
            env=environment,
            check=False,
        ).returncode


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Lets the set-ups of several clones install one after the other; the lock leaves no file behind."""
    place = os.open("/var/lib/dpkg", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


@contextlib.contextmanager
def _services_stay_off() -> Iterator[None]:
    """Tells Debian's maintainer scripts not to start services (invoke-rc.d(8)), unless the machine has a policy."""
    if POLICY.exists() or POLICY.is_symlink():
        yield
        return
    POLICY.write_text(_REFUSE, encoding="ascii")
    try:
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)
