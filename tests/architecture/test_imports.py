"""The import contracts of pyproject.toml hold, and a fence notices a breach."""

import subprocess
import sys
from pathlib import Path

from deploy.local.places import CLONE

_LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _LINT, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)


def test_every_contract_is_kept() -> None:
    """Layers, purity and fences, as the linter itself sees them."""
    done = _lint(CLONE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fence_notices_what_is_outside(tmp_path: Path) -> None:
    """An import from outside the patterns breaks the contract and is named with its line; one from inside does not."""
    package = tmp_path / "consumer"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "broker_wire.py").write_text("import pika\n")
    (package / "worker.py").write_text("\nimport pika\n")
    (tmp_path / "tests").symlink_to(CLONE / "tests")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.importlinter]\nroot_packages = ["consumer"]\ninclude_external_packages = true\n'
        'contract_types = ["fence: tests.architecture.fence.Fence"]\n'
        '[[tool.importlinter.contracts]]\nname = "pika"\ntype = "fence"\nlibrary = "pika"\n'
        'allowed = ["consumer.broker_*"]\n'
    )
    done = _lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "consumer.worker:2: import pika" in done.stdout
    assert "consumer.broker_wire:" not in done.stdout
