"""Ports of private servers: several processes that start servers at the same moment never get the same one."""

import random
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.local.places import CLONE
from deploy.local.ports import HIGHEST, LOOPBACK, LOWEST, SLOT, NoFreePorts, Ports

_OTHER = """
import random, sys
from deploy.local.ports import Ports
ports = Ports(random.Random(int(sys.argv[1])))
print(*(ports.block(7) for _ in range(20)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def ports():
    made = Ports(random.Random(1))
    yield made
    made.close()


def test_blocks_never_overlap_not_even_between_threads(ports):
    sizes = [1, 2, 20, 1, 7, 20, 3] * 4
    with ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(ports.block, sizes))
    taken = [port for first, size in zip(firsts, sizes, strict=True) for port in range(first, first + size)]
    assert len(set(taken)) == len(taken)
    assert min(taken) >= LOWEST
    assert max(taken) < HIGHEST < 32768


def test_another_process_with_the_same_luck_gets_others(ports):
    mine = {ports.block(7) for _ in range(20)}
    command = [sys.executable, "-c", _OTHER, "1"]
    with subprocess.Popen(command, cwd=CLONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        assert len(theirs) == 20
        assert mine.isdisjoint(theirs)


def test_what_is_closed_others_may_have():
    slots = []
    for _ in range(2):
        ports = Ports(random.Random(2))
        slots.append(ports.block(SLOT))
        ports.close()
    assert slots[0] == slots[1]


def test_a_port_that_somebody_else_uses_is_passed_over():
    first = Ports(random.Random(3))
    port = first.block(1)
    first.close()
    with socket.socket() as other:
        other.bind((LOOPBACK, port))
        ports = Ports(random.Random(3))
        assert ports.block(1) == port + 1
        ports.close()


def test_more_than_there_are_is_refused(ports):
    with pytest.raises(NoFreePorts):
        ports.block(SLOT + 1)
