"""The schedule of a chaos run is a pure function of its seed, and a process obeys an order once."""

import os
import signal
import time

import pytest

from tests.chaos.mix import DOMAIN, Mix, first_word
from tests.chaos.orders import Order, Orders, ShiftedClock, Trap
from tests.chaos.scenes import EVERY_STEP, SCENES, named
from tests.chaos.schedule import Plan, by_kind, scaled, schedule

SCENE = SCENES[0]


def test_the_same_seed_gives_the_same_faults():
    assert schedule(SCENE.plans, 7, 5000) == schedule(SCENE.plans, 7, 5000)
    assert schedule(SCENE.plans, 7, 5000) != schedule(SCENE.plans, 8, 5000)


@pytest.mark.parametrize("events", [0, 13, 20_000])
def test_all_events_are_shared_out(events):
    found = schedule(SCENE.plans, 3, events)
    assert sum(fault.events for fault in found) == events
    assert [fault.number for fault in found] == list(range(1, len(found) + 1))


def test_a_whole_run_has_two_hundred_faults_and_ten_deaths_at_each_step():
    plans = [plan for scene in SCENES for plan in scene.plans]
    assert sum(plan.count for plan in plans) >= 200
    for step in EVERY_STEP:
        assert sum(plan.count for plan in plans if (plan.kind, plan.step) == ("killed", step)) >= 10, step
    assert sum(scene.share for scene in SCENES) == pytest.approx(1.0)


def test_a_shorter_run_has_each_fault_at_least_once():
    plans = (Plan("killed", "received", 8), Plan("drained", "", 1))
    assert [plan.count for plan in scaled(plans, 0.25)] == [2, 1]
    assert by_kind(schedule(scaled(plans, 0.01), 1, 10)) == {"killed": 1, "drained": 1}


def test_scenes_are_chosen_by_their_names():
    assert named("") == SCENES
    assert [scene.name for scene in named("network,crash")] == ["crash", "network"]
    with pytest.raises(LookupError, match="nonsense"):
        named("crash,nonsense")


def test_the_events_follow_from_the_seed():
    one, other = Mix(5), Mix(5)
    assert [event["data"]["to"] for event in one.next(300)] == [event["data"]["to"] for event in other.next(300)]
    assert one.units == other.units
    assert {unit.kind for unit in one.units.values()} >= {"ok", "soft", "hard", "refused", "twin", "bad"}


def test_an_address_says_what_is_to_be_done_with_it():
    assert first_word(f"both-12.1.soft@{DOMAIN}") == "soft"
    assert first_word(f"ok-12.0.ok@{DOMAIN}") == "ok"


class Killed:
    """Stands for ``os.kill``."""

    def __init__(self):
        self.signals = []

    def __call__(self, pid, number):
        assert pid == os.getpid()
        self.signals.append(number)


@pytest.fixture
def killed():
    return Killed()


def test_a_process_obeys_at_the_step_and_the_time_it_was_told(tmp_path, killed):
    trap, orders = Trap(tmp_path, kill=killed), Orders(tmp_path)
    trap("recorded", "before")
    orders.give(Order(4, "recorded", 2, signal.SIGKILL))
    for event in ("one", "two", "three"):
        trap("received", event)
        trap("recorded", event)
    found = orders.struck(4)
    assert found is not None
    assert killed.signals == [signal.SIGKILL]
    assert (found.step, found.event, found.pid) == ("recorded", "two", os.getpid())
    assert found.at == pytest.approx(time.monotonic(), abs=10)


def test_only_one_process_obeys(tmp_path, killed):
    first, second, orders = Trap(tmp_path, kill=killed), Trap(tmp_path, kill=killed), Orders(tmp_path)
    orders.give(Order(1, "checked", 1, signal.SIGSTOP))
    first("checked", "one")
    second("checked", "two")
    assert killed.signals == [signal.SIGSTOP]
    found = orders.struck(1)
    assert found is not None
    assert found.event == "one"


def test_an_order_that_is_withdrawn_is_not_obeyed(tmp_path, killed):
    trap, orders = Trap(tmp_path, kill=killed), Orders(tmp_path)
    orders.give(Order(1, "checked", 2, signal.SIGTERM))
    trap("checked", "one")
    orders.withdraw()
    trap("checked", "two")
    assert killed.signals == []
    assert orders.struck(1) is None


def test_every_step_is_written_down_before_the_process_dies(tmp_path, killed):
    trap, orders = Trap(tmp_path, kill=killed), Orders(tmp_path)
    orders.give(Order(1, "handed_off", 1, signal.SIGKILL))
    trap("sending", "one")
    trap("handed_off", "one")
    lines = (tmp_path / f"{os.getpid()}.trace").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["sending one", "handed_off one"]


def test_a_wall_clock_jumps_and_another_does_not(tmp_path):
    mine, other = ShiftedClock(tmp_path, "one"), ShiftedClock(tmp_path, "two")
    Orders(tmp_path).shift("one", 3600.0)
    assert 3599 < (mine() - other()).total_seconds() < 3601
    Orders(tmp_path).shift("one", -60.0)
    assert -61 < (mine() - other()).total_seconds() < -59
