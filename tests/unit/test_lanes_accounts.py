"""One lane over time: what a day spreads, how far promises reach, what is learnt, and that accounts are told apart."""

from itertools import pairwise
from typing import Any

import pytest

from config.limits import DayUnit, Limits
from consumer.lane_line import Aside, Stand
from tests.lane_driving import Driven
from transports.errors import Code, Throttled


def stands(places) -> Any:
    return [place.stand.name for place in places]


@pytest.mark.parametrize(("wait", "caught_up"), [(0.0, 0), (1.0, 10), (4.0, 20), (60.0, 0)])
def test_late_starts_are_caught_up_with_at_twice_the_rate_at_most_and_for_two_seconds_at_most(wait, caught_up):
    lane = Driven(Limits(50, per_minute=600))
    lane.end(lane.enter())
    lane.run(wait)
    while len(lane.sent) < 80:
        lane.enters(4)
        lane.run(0.3)
        lane.finish()
    gaps = [later.began - earlier.began for earlier, later in pairwise(lane.sent[1:])]
    assert min(gaps) >= 0.0509
    ahead = [number - (place.began - lane.sent[1].began) / 0.102 for number, place in enumerate(lane.sent[1:])]
    assert max(ahead) == pytest.approx(caught_up, abs=1.5)


def test_a_full_day_spreads_what_waits_over_the_day():
    lane = Driven(Limits(4, per_day=86_400 // 60))
    for _ in range(86_400 // 60):
        lane.end(lane.enter())
    lane.run(24 * 3600 - 600)
    lane.run(-lane.now % 1800)
    found = lane.enters(100)
    assert all(isinstance(place, Aside) for place in found)
    promised = [place.after for place in found if place.after < 3600]
    assert all(59 < later - earlier < 61 for earlier, later in pairwise(promised))
    assert lane.enter(units=1).after == 3600


def test_what_a_mail_of_many_recipients_takes_of_a_day_comes_back_as_slowly():
    lane = Driven(Limits(4, per_day=86_400, day_unit=DayUnit.RECIPIENTS))
    lane.end(lane.enter(units=86_400))
    lane.run(24 * 3600 - 600)
    small, large, after = lane.enter(units=1), lane.enter(units=500), lane.enter(units=1)
    assert large.after - small.after == pytest.approx(500)
    assert after.after - large.after == pytest.approx(1)


def test_no_promise_reaches_further_than_an_hour_and_those_who_were_told_an_hour_find_the_first_free_moments_then():
    lane = Driven(Limits(4, per_minute=60))
    lane.handing = False
    found = [place.after for place in lane.enters(10_000) if isinstance(place, Aside)]
    assert max(found) == 3600
    assert sum(after < 3600 for after in found) == pytest.approx(3420, abs=10)
    lane.run(3)
    lane.finish()
    lane.run(3597)
    again = [place.after for place in lane.enters(100, due=True) if isinstance(place, Aside)]
    assert max(again) < 110


def test_who_shares_a_lane_is_promised_no_more_than_all_mail_together_takes():
    lane = Driven(Limits(4, per_minute=60))
    for number in range(40):
        lane.enters(2, f"small-{number}")
    flood = [place.after for place in lane.enters(500, "flood") if isinstance(place, Aside)]
    assert max(flood) < 650


def test_what_happens_between_the_leave_and_the_send_is_not_what_a_mail_takes():
    lane = Driven(Limits(1))
    lane.handing = False
    place = lane.enter()
    lane.run(60)
    other = lane.enter()
    assert not isinstance(other, Aside)  # nobody is asked yet, so it may be over at once
    lane.lane.begins(place, lane.now)
    lane.run(0.2)
    lane.end(place)
    lane.end(other)
    assert lane.lane.remember("one", lane.now).usual < 0.25


def test_nothing_is_learnt_from_a_mail_that_was_not_handed_over_or_whose_end_nobody_knows():
    lane = Driven(Limits(1))
    lane.handing = False
    before = lane.lane.remember("one", lane.now).usual
    lane.enter()
    lane.run(60)
    lane.finish()
    lane.handing = True
    lost = lane.enter()
    lane.run(60)
    lane.leave(lost)
    assert lane.lane.remember("one", lane.now).usual == before


def test_another_account_has_the_whole_day_and_minute_and_was_promised_to_nobody():
    lane = Driven(Limits(4, per_minute=600, per_day=50), account="old")
    for _ in range(50):
        lane.end(lane.enter())
        lane.run(0.11)
    lane.enters(1000)
    lane.lane.use(Limits(4, per_minute=60, per_day=50), "new", lane.now)
    lane.run(1)
    assert lane.enter().stand is Stand.UNDER_WAY
    assert lane.enters(5)[-1].after < 10


def test_mail_that_still_asks_for_the_account_before_brings_nothing_back():
    lane = Driven(Limits(4, per_day=2), account="old")
    lane.lane.use(Limits(4, per_day=2), "new", lane.now)
    lane.end(lane.enter())
    lane.lane.use(Limits(8, per_day=200), "old", lane.now + 1)
    lane.lane.use(Limits(4, per_day=2), "new", lane.now + 2)
    lane.lane.use(Limits(4, per_day=2), "", lane.now + 2)
    lane.end(lane.enter())
    assert isinstance(lane.enter(), Aside)
    lane.lane.use(Limits(4, per_day=2), "old", lane.now + 20)
    assert lane.enter().stand is Stand.UNDER_WAY


def test_what_the_account_before_said_last_is_not_about_the_new_one():
    lane = Driven(Limits(4), account="old")
    place = lane.enter()
    lane.run(1)
    lane.lane.use(Limits(4), "new", lane.now)
    lane.end(place, Throttled(Code.THROTTLED, retry_after=600.0))
    assert stands(lane.enters(4)) == ["UNDER_WAY"] * 4


@pytest.mark.parametrize("units", [DayUnit.MAILS, DayUnit.RECIPIENTS])
def test_what_is_reserved_is_given_back_whatever_a_day_counts_by_then(units):
    lane = Driven(Limits(4, per_day=3000, day_unit=units), asking=False)
    places = lane.enters(5, units=500)
    other = next(unit for unit in DayUnit if unit is not units)
    lane.lane.use(Limits(4, per_day=3000, day_unit=other), "", lane.now)
    for place in places:
        lane.leave(place)
    lane.lane.use(Limits(4, per_day=3000, day_unit=DayUnit.RECIPIENTS), "", lane.now)
    assert lane.enter(units=3000).stand is Stand.NEAR
    assert isinstance(lane.enter(units=1), Aside)
