"""How long mails stay away from an open breaker: one wait queue each, a steady trickle of looks, and back soon."""

import heapq
import random
from collections import Counter
from statistics import mean

import pytest

from consumer.breaker_waits import ALWAYS, LATE, Crowd, away
from consumer.names import WAIT_TIERS


def draws(remaining, waiting, lasted, many=2000):
    chance = random.Random(7)
    return [away(remaining, waiting, lasted, chance.random) for _ in range(many)]


@pytest.mark.parametrize("remaining", [1, 4, 5, 14.9, 15.0, 33, 299, 500])
@pytest.mark.parametrize("waiting", [2_000, 5_000, 50_000])
def test_each_is_one_wait_queue_and_on_average_what_is_wanted(remaining, waiting):
    found = draws(remaining, waiting, 3600.0)
    assert set(found) <= set(WAIT_TIERS)
    assert mean(found) == pytest.approx(remaining + 0.03 * waiting, rel=0.12)


@pytest.mark.parametrize("remaining", [1, 4, 5, 14.9, 15.0, 33, 299, 500])
def test_some_are_never_late_however_many_wait(remaining):
    assert max(draws(remaining, 19, 3600.0)) <= remaining
    few = [seconds for seconds in draws(remaining, 100, 3600.0) if seconds <= remaining]
    assert len(few) > 100


@pytest.mark.parametrize("lasted", [0, 15, 45, 100, 300, 800])
def test_nobody_is_away_for_much_longer_than_the_outage_has_lasted(lasted):
    assert max(draws(10.0, 1_000_000, lasted)) <= max(ALWAYS, LATE * lasted)


def test_a_probe_that_is_due_much_later_is_waited_for():
    assert max(draws(300.0, 0, 0.0)) == 300


def test_a_crowd_is_counted_until_it_is_back():
    crowd = Crowd()
    for _ in range(100):
        crowd.add(60.0, 1000.0)
    for _ in range(50):
        crowd.add(3600.0, 1000.0)
    assert [crowd.count(now) for now in (1000.0, 1059.0, 1068.0, 4599.0, 5051.0)] == [150, 150, 50, 50, 0]


def test_a_large_backlog_costs_few_hops_however_long_it_lasts():
    """50,000 mails in the queue, 500 hops a second, an account that never answers."""
    chance, crowd, back = random.Random(3), Crowd(), [0.0] * 50_000
    looks: Counter[int] = Counter()
    at = 0.0
    while at < 3 * 3600:
        at = max(heapq.heappop(back), at + 1 / 500)
        remaining = 15.0 if at < 60 else chance.uniform(0, min(at / 2, 900.0))
        after = away(remaining, crowd.count(at), at, chance.random, dense=crowd.dense())
        crowd.add(after, at)
        looks[int(at // 300)] += 1
        heapq.heappush(back, at + after)
    rates = [looks[part] / 300 for part in range(36)]
    assert mean(rates[:6]) < 50_000 * 5 / 1800
    assert mean(rates[6:]) < 35
    assert max(rates[12:]) < 100, "those who went together do not come back together for ever"
