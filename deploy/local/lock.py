"""Writes the two locks in ``deploy/lock/`` from ``pyproject.toml`` (``make lock``).

Every package is pinned with the hashes of all its files, so that an installation gets exactly these bytes from
whatever index the machine uses. The locks name no index and nothing of the machine they were made on.
"""

import os
import subprocess
import sys
from pathlib import Path

from deploy.local.places import CLONE, LOCAL

LOCKS = CLONE / "deploy" / "lock"
HEADER = """\
# {title}
# Made by `make lock` from pyproject.toml; install with: pip install --require-hashes -r deploy/lock/{name}.txt
"""
_OPTIONS = (
    "--quiet",
    "--generate-hashes",
    "--strip-extras",
    "--allow-unsafe",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-emit-trusted-host",
    "--no-config",
    "--resolver=backtracking",
)


def compile_lock(name: str, title: str, *options: str, upgrade: bool) -> Path:
    """Resolves one set of packages; pins that already stand in the lock stay unless ``upgrade`` is set."""
    target = LOCKS / f"{name}.txt"
    command = [sys.executable, "-m", "piptools", "compile", *_OPTIONS, *options]
    command += ["--cache-dir", str(LOCAL / "cache" / "pip-tools"), "--output-file", f"deploy/lock/{name}.txt"]
    command += ["--upgrade"] if upgrade else []
    # Packages that only this machine's own configuration knows must not get in.
    environment = {key: value for key, value in os.environ.items() if key not in ("PIP_FIND_LINKS",)}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_CACHE_DIR": str(LOCAL / "cache" / "pip")}
    subprocess.run([*command, "pyproject.toml"], check=True, cwd=CLONE, env=environment)
    body = [line for line in target.read_text(encoding="utf-8").splitlines() if not line.startswith("# ")]
    target.write_text(HEADER.format(title=title, name=name) + "\n".join(body).strip() + "\n", encoding="utf-8")
    return target


def main() -> None:
    """Writes both locks; with ``--upgrade`` to the newest versions."""
    upgrade = "--upgrade" in sys.argv[1:]
    LOCKS.mkdir(parents=True, exist_ok=True)
    compile_lock("runtime", "What Mailroom runs on, and what builds it.", "--extra=build", upgrade=upgrade)
    # The runtime lock binds the development lock, so that tests run on the versions that are shipped.
    compile_lock(
        "development",
        "What Mailroom is tested and checked with: the runtime lock and more.",
        "--extra=build,development",
        "--constraint=deploy/lock/runtime.txt",
        upgrade=upgrade,
    )


if __name__ == "__main__":
    main()
