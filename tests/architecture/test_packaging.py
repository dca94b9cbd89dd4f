"""The distribution, its locks and the Makefile: what a newcomer installs and types."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
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


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    """Templates, style sheets and catalogues are installed with the code that reads them."""
    source = tmp_path / "source"
    for name in ("consumer", "config", "transports"):
        shutil.copytree(
            CLONE / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CLONE / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, timeout=100)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    written = {str(file.relative_to(CLONE)) for file in _files()}
    assert held == written


def _files() -> list[Path]:
    everything = [file for name in ("consumer", "config", "transports") for file in (CLONE / name).rglob("*")]
    return [file for file in everything if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".md"]


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
