"""The distribution, its locks and the Makefile: what a newcomer installs and types."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from deploy.local.places import CLONE

_PROJECT = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))
_LOCKS = sorted((CLONE / "deploy" / "lock").glob("*.txt"))


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def _locked(file: Path) -> dict[str, list[str]]:
    """Package → the hashes that follow it."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        if pinned := re.match(r"([A-Za-z0-9._-]+)==\S+", line):
            current = _name(pinned.group(1))
            found[current] = []
        if hashed := re.search(r"--hash=(sha256:[0-9a-f]{64})", line):
            found[current].append(hashed.group(1))
    return found


@pytest.mark.parametrize("file", _LOCKS, ids=lambda file: file.stem)
def test_a_lock_names_no_index_and_no_machine(file: Path) -> None:
    """The same bytes come from whatever index a machine uses, and nothing tells where the lock was made."""
    text = file.read_text(encoding="utf-8")
    assert re.findall(r"https?://\S+|file:|--(?:extra-)?index-url|--find-links|--trusted-host|(?:^|\s)/\S+", text) == []


@pytest.mark.parametrize("file", _LOCKS, ids=lambda file: file.stem)
def test_every_locked_package_has_hashes(file: Path) -> None:
    """pip then refuses anything else."""
    assert [name for name, hashes in _locked(file).items() if not hashes] == []


def test_the_locks_hold_every_direct_dependency() -> None:
    """What pyproject.toml asks for is pinned: the product in both locks, the tools in the second."""
    runtime, development = (_locked(CLONE / "deploy" / "lock" / f"{name}.txt") for name in ("runtime", "development"))
    project = _PROJECT["project"]
    product = {_name(one) for one in (*project["dependencies"], *_PROJECT["build-system"]["requires"])}
    tools = {_name(one) for one in project["optional-dependencies"]["development"]}
    assert product - set(runtime) == set()
    assert (product | tools) - set(development) == set()


def test_both_locks_agree() -> None:
    """Tests run on the versions that are shipped."""
    pins = [set(re.findall(r"^([A-Za-z0-9._-]+==[^\s\\]+)", file.read_text(), re.MULTILINE)) for file in _LOCKS]
    development, runtime = pins
    assert runtime - development == set()


def test_the_distribution_is_what_the_design_says() -> None:
    """Its name, its three packages, its command."""
    assert _PROJECT["project"]["name"] == "mailroom"
    assert _PROJECT["tool"]["setuptools"]["packages"]["find"]["include"] == ["consumer*", "config*", "transports*"]
    assert _PROJECT["project"]["scripts"] == {"mailroom": "consumer.cli:main"}


def test_bare_make_lists_every_target() -> None:
    """A newcomer who types ``make`` sees what there is, with a sentence each, and nothing is done."""
    listed = subprocess.run(["make"], cwd=CLONE, capture_output=True, text=True, timeout=30, check=True).stdout
    targets = re.findall(r"^([a-z0-9]+):", (CLONE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"help", "demo", "run", "test", "check", "bench", "chaos", "lock", "clean"} <= set(targets)
    for target in targets:
        assert re.search(rf"^  make {target}\s+\S.{{10,}}$", listed, re.MULTILINE), target


def test_continuous_integration_does_what_a_person_does() -> None:
    """``.ci/run`` calls ``make test`` with CI set, and nothing that a newcomer would not have."""
    script = (CLONE / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if line.strip() and not line.startswith("#")]
    assert commands == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "export CI=true", "exec make test"]
