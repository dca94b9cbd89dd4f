"""Servers never outlive the process that started them."""

import contextlib
import signal
import subprocess
import sys
from subprocess import PIPE

import psutil
import pytest

from deploy.local.places import CLONE, NODES
from tests.waiting import eventually_blocking

_OWNS_A_NODE = """
import time
from deploy.local.node import PrivateNode
with PrivateNode() as node:
    print(node.name, *node.pids, flush=True)
    time.sleep(600)
"""
_OWNS_A_PROCESS = """
import os, signal, time
from deploy.local.children import Children
from deploy.local.places import NODES
# A shell in the background has its children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
folder = NODES / f"of-a-test-{os.getpid()}"
folder.mkdir(parents=True)
children = Children()
children.remove_at_end(folder)
# Its child ignores the polite signal and has one of its own.
stubborn = ["sh", "-c", "trap '' TERM INT; sleep 600 & wait"]
print(folder.name, children.start(stubborn, environment={}).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("owner", "how"),
    [
        (_OWNS_A_NODE, signal.SIGKILL),
        (_OWNS_A_PROCESS, signal.SIGKILL),
        (_OWNS_A_PROCESS, signal.SIGTERM),
        (_OWNS_A_PROCESS, signal.SIGINT),
    ],
    ids=["node-KILL", "process-KILL", "process-TERM", "process-INT"],
)
def test_nothing_outlives_its_owner(owner: str, how: signal.Signals) -> None:
    """However the owner ends: what it started ends with it, children included, and the folder goes."""
    with subprocess.Popen([sys.executable, "-c", owner], cwd=CLONE, stdout=PIPE, stderr=PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            name, *pids = process.stdout.readline().split()
            started = [psutil.Process(int(pid)) for pid in pids]
            started += [child for one in started for child in one.children(recursive=True)]
            folder = NODES / name.partition("@")[0]
            assert folder.exists()
            assert started
        finally:
            process.send_signal(how)
            process.wait(30)
    eventually_blocking(lambda: all(map(_dead, started)), what=f"the end of {started}")
    eventually_blocking(lambda: not folder.exists(), what="the end of its data")


def _dead(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True
