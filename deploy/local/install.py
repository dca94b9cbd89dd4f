"""Makes a clone ready: the virtual environment from the lock, and the servers that a command needs.

``python3 -m deploy.local.install [broker] [tests]``, run by ``make``. Standard library only. Everything goes below
the clone, Debian packages aside; when nothing is missing it takes a fraction of a second.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from deploy.local.broker_for_use import VARIABLE
from deploy.local.debian import CannotInstall, install, may_install
from deploy.local.installation import Installation, ServerMissing
from deploy.local.places import CLONE, LOCAL

VENV = CLONE / ".venv"
LOCK = CLONE / "deploy" / "lock" / "development.txt"
_STAMP = VENV / "made-from"


def say(text: str) -> None:
    """One line of progress."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


# -- the virtual environment -----------------------------------------------------------------------------------------


def fingerprint() -> str:
    """What the environment depends on: the lock, the project's metadata, this Python and the clone's place."""
    digest = hashlib.sha256()
    for file in (LOCK, CLONE / "pyproject.toml"):
        digest.update(file.read_bytes())
    digest.update(f"{sys.version_info[:2]} {CLONE}".encode())
    return digest.hexdigest()


def _is_current() -> bool:
    python = VENV / "bin" / "python"
    return python.exists() and _STAMP.exists() and _STAMP.read_text(encoding="ascii") == fingerprint()


def _works(python: Path) -> bool:
    if not python.exists():
        return False
    return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def _needs_venv_package() -> str:
    """Debian keeps what makes virtual environments in a package of its own; its name if that is missing."""
    if _is_current() or _works(VENV / "bin" / "python") or find_spec("ensurepip") is not None:
        return ""
    return f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"


def _make_venv() -> None:
    say(f"making .venv with Python {sys.version.split()[0]} …")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)


def ensure_venv() -> None:
    """Makes or updates ``.venv`` unless it was made from the present lock.

    Raises:
        CannotInstall: Python cannot make virtual environments, or pip failed.
    """
    if _is_current():
        return
    _STAMP.unlink(missing_ok=True)
    if not _works(VENV / "bin" / "python"):
        _make_venv()
    count = sum(1 for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line)
    say(f"installing the {count} locked packages, every one checked against its hash …")
    _pip("--require-hashes", "--no-deps", "--only-binary=:all:", "-r", str(LOCK))
    _pip("--no-build-isolation", "--no-deps", "--no-index", "--editable", ".")
    _STAMP.write_text(fingerprint(), encoding="ascii")


def _pip(*arguments: str) -> None:
    environment = {
        **os.environ,
        "PIP_CACHE_DIR": str(LOCAL / "cache" / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "TMPDIR": str(LOCAL / "tmp"),
    }
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--progress-bar=off", *arguments]
    done = subprocess.run(command, cwd=CLONE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING: Location")]
        raise CannotInstall("pip could not install the locked packages:\n" + "\n".join(lines[-12:]))


# -- servers ---------------------------------------------------------------------------------------------------------


def _missing(packages: Sequence[tuple[str, Callable[[], bool]]]) -> list[str]:
    return [name for name, present in packages if not present()]


def _has_rabbitmq() -> bool:
    try:
        Installation().require()
    except ServerMissing:
        return False
    return True


def _has_postgresql() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def _program(*places: str) -> Callable[[], bool]:
    return lambda: any(Path(place).exists() for place in places)


_BROKER: tuple[tuple[str, Callable[[], bool]], ...] = (("rabbitmq-server", _has_rabbitmq),)
_FOR_TESTS: tuple[tuple[str, Callable[[], bool]], ...] = (
    ("postgresql", _has_postgresql),
    ("postfix", _program("/usr/sbin/postfix")),
    ("sasl2-bin", _program("/usr/sbin/saslpasswd2")),
    ("libsasl2-modules", lambda: any(Path("/usr/lib").glob("*/sasl2/libplain.so*"))),
)
# For the tests of the settings page; not every relative of Debian has the browser as a package.
_BROWSER: tuple[tuple[str, Callable[[], bool]], ...] = (
    ("chromium", lambda: shutil.which("chromium") is not None),
    ("libatomic1", lambda: any(Path("/usr/lib").glob("*/libatomic.so.1"))),  # for Playwright's driver
)
_SERVICES = {"rabbitmq-server": "rabbitmq-server", "postgresql": "postgresql", "postfix": "postfix"}


def ensure_servers(*, broker: bool, tests: bool) -> None:
    """Installs the servers that are missing, and the browser for tests, if that is allowed.

    Without the right to do so the tests go on: those that need a missing server are skipped and say why. So they do
    without the browser, where it cannot be had.

    Raises:
        CannotInstall: a server is needed and cannot be had.
    """
    wanted = (*(_BROKER if broker and not os.environ.get(VARIABLE) else ()), *(_FOR_TESTS if tests else ()))
    servers, browser = _missing(wanted), _missing(_BROWSER if tests else ())
    missing = [*servers, *browser]
    if not missing:
        return
    if tests and not may_install():
        say(f"not installed: {', '.join(missing)}; the tests that need them will be skipped")
        return
    say(f"installing Debian packages, without starting their services: {', '.join(missing)} …")
    try:
        _install(missing)
    except CannotInstall as error:
        if not browser:
            raise
        if servers:
            _install(servers)
        say(f"{error}\nThe tests that need {', '.join(browser)} will be skipped.")


def _install(missing: Sequence[str]) -> None:
    try:
        install(missing, services=[_SERVICES[name] for name in missing if name in _SERVICES])
    except CannotInstall as error:
        hint = f"\n{VARIABLE} may also name a broker that runs elsewhere." if "rabbitmq-server" in missing else ""
        raise CannotInstall(f"{error}{hint}") from error


def main() -> int:
    """Does what is missing; 0 when the clone is ready, 1 with a sentence otherwise."""
    wanted = set(sys.argv[1:])
    began = time.monotonic()
    try:
        (LOCAL / "tmp").mkdir(parents=True, exist_ok=True)
        if package := _needs_venv_package():
            say(f"Python cannot make virtual environments here: {package} is missing")
            install([package])
        # Both take their time, one mostly waiting for the other's kind of work.
        with ThreadPoolExecutor(1) as pool:
            servers = pool.submit(ensure_servers, broker="broker" in wanted, tests="tests" in wanted)
            ensure_venv()
            servers.result()
    except CannotInstall as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        say(f"{error.strerror}: {error.filename}")
        return 1
    shutil.rmtree(LOCAL / "cache" / "pip", ignore_errors=True)
    if time.monotonic() - began > 1:
        say(f"ready after {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
