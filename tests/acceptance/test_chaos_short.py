"""A short `make chaos`: replicas die at each step of a mail's way, and every event ends exactly once."""

import pytest

from tests.chaos.play import play
from tests.chaos.scenes import Scene
from tests.chaos.schedule import PROGRAM_STEPS, Plan

EVENTS = 600
STEPS = (*PROGRAM_STEPS, "DATA", "BODY")
SHORT = Scene(
    "short",
    "SIGKILL at each step",
    2,
    "sqlite",
    1.0,
    tuple(Plan("killed", step) for step in STEPS),
)


@pytest.mark.slow
@pytest.mark.timeout(110)
def test_every_event_ends_exactly_once_when_replicas_die_at_each_step(broker_node, tmp_path):
    found = play(SHORT, broker_node, None, tmp_path, seed=5, events=EVENTS, say=print)
    assert not found.fault, found
    assert not found.missed
    assert set(found.struck) == set(STEPS)
    verdict = found.verdict
    assert sum(verdict.ends.values()) == verdict.attempted >= EVENTS
    assert verdict.unknowns >= verdict.twice
    assert verdict.suppressed, "the twins at least"
