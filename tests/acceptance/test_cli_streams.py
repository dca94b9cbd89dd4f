"""Standard streams that are closed, full or cut off end a command with one sentence, never with a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMTP = "organizations smtp acme --host mail.acme.example --sender a@acme.example --alias Acme --password-stdin"


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Runs a line in which ``mailroom`` is this tree's; what bash says of a pipe is that of its first command."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAILROOM_")}
    command = f'mailroom() {{ "{sys.executable}" -m consumer "$@"; }}; set -o pipefail; {line}'
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", ["publish -", f"{SMTP} --username acme"])
def test_a_closed_standard_input_is_wrong_use(tmp_path, command):
    done = shell(tmp_path, f"mailroom {command} <&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "standard input is closed\n")


def test_nobody_to_answer_means_no_and_says_what_to_write(tmp_path):
    done = shell(tmp_path, "mailroom organizations disconnect acme <&-")
    assert done.returncode == 1
    assert "Use --yes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["schema event", "topology export", "keys generate", "organizations list --json"])
def test_a_full_disk_is_told_in_a_sentence(tmp_path, command):
    done = shell(tmp_path, f"mailroom {command} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "mailroom: standard output: No space left on device\n"


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    done = shell(tmp_path, "mailroom schema asyncapi | head -1")
    assert (done.stdout, done.stderr) == ("{\n", "")
