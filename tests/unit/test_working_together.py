"""The suite's own order: a test that must be alone is alone, and gets its turn although others keep coming."""

import itertools
import subprocess
import sys

from deploy.local.places import CLONE

_WORKER = """
import sys, time
from pathlib import Path
from tests.working_together import taking_turns
folder, name = Path(sys.argv[1]), sys.argv[2]
(folder / f"{name}.ready").touch()
while len(list(folder.glob("*.ready"))) < 3:
    time.sleep(0.01)
left = 5
while left:
    with taking_turns(folder / "turns", alone=name == "alone"), (folder / "log").open("a") as told:
        told.write(f"{name} begins\\n")
        told.flush()
        time.sleep(0.01)
        told.write(f"{name} ends\\n")
    # The others come again and again until the one that is alone has had its turns, and then five times more.
    if name == "alone" or (folder / "done").exists():
        left -= 1
if name == "alone":
    (folder / "done").touch()
"""


def test_what_must_be_alone_is_alone_and_gets_its_turn(tmp_path):
    command = [sys.executable, "-c", _WORKER, str(tmp_path)]
    workers = [subprocess.Popen([*command, name], cwd=CLONE) for name in ("first", "second", "alone")]
    assert [worker.wait(50) for worker in workers] == [0, 0, 0]
    told = (tmp_path / "log").read_text().splitlines()
    alone = [index for index, line in enumerate(told) if line == "alone begins"]
    assert [told[index + 1] for index in alone] == ["alone ends"] * 5
    assert any({one, other} == {"first begins", "second begins"} for one, other in itertools.pairwise(told))
