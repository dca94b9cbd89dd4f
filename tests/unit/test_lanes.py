"""One lane: how many are under way, who goes first, who goes aside and for how long."""

from itertools import pairwise
from typing import Any

import pytest

from config.limits import DayUnit, Limits
from consumer.lane_gate import CUT
from consumer.lane_line import LITTLE, Aside, Rank, Stand
from consumer.lanes import PATIENCE
from consumer.outcome import Reason
from tests.lane_driving import Driven
from transports.errors import Code, Throttled, Unreachable


def stands(places) -> Any:
    return [place.stand.name for place in places]


def test_no_more_are_under_way_than_agreed_and_the_next_goes_when_one_ends():
    lane = Driven(Limits(2))
    places = lane.enters(4)
    assert stands(places) == ["UNDER_WAY", "UNDER_WAY", "READY", "READY"]
    lane.end(places[0])
    assert stands(places) == ["LEFT", "UNDER_WAY", "UNDER_WAY", "READY"]


def test_as_many_again_are_let_near_so_that_they_have_asked_by_the_time_a_place_is_free():
    lane = Driven(Limits(2), asking=False)
    places = lane.enters(6)
    assert stands(places) == ["NEAR"] * 4 + ["WAITING"] * 2
    lane.leave(places[1])
    assert stands(places) == ["NEAR", "LEFT", "NEAR", "NEAR", "NEAR", "WAITING"]


def test_what_had_its_turn_and_was_not_sent_says_nothing_of_how_long_mail_takes():
    """The broker was away when it should have left, say."""
    lane = Driven(Limits(2))
    usual = lane.lane.remember("one", lane.now).usual
    waited = lane.enters(2)
    lane.run(60)
    for place in waited:
        lane.leave(place)
    assert lane.lane.remember("one", lane.now).usual == usual
    lane.end(lane.enter())
    assert lane.lane.remember("one", lane.now).usual < usual


def test_a_mail_that_is_near_and_never_starts_counts_for_nothing():
    lane = Driven(Limits(1, per_minute=60, per_day=1), asking=False)
    place = lane.enter()
    lane.leave(place)
    lane.asking = True
    assert lane.enter().stand is Stand.UNDER_WAY


def test_starts_are_spaced_by_the_rate_and_there_is_no_burst():
    lane = Driven(Limits(4, per_minute=60))
    first = lane.enter()
    assert first.stand is Stand.UNDER_WAY
    lane.end(first)
    second = lane.enter()
    lane.run(0.99)
    assert stands([second]) == ["READY"]
    lane.run(0.05)
    assert stands([second]) == ["UNDER_WAY"]


def test_mail_that_is_long_under_way_counts_in_the_minute_in_which_it_may_arrive():
    lane = Driven(Limits(5, per_minute=2))
    for _ in range(4):
        lane.enter()
        lane.run(61)
    assert len(lane.sent) == 2
    lane.finish()
    lane.run(59)
    assert isinstance(lane.enter(), Aside) or len(lane.sent) == 2
    lane.run(2)
    assert len(lane.sent) == 3


def test_what_cannot_leave_within_two_seconds_goes_aside_one_promise_after_the_other():
    lane = Driven(Limits(4, per_minute=60))
    places = lane.enters(6)
    asides = [place for place in places if isinstance(place, Aside)]
    assert len(asides) == 4
    assert all(aside.reason is Reason.PACED for aside in asides)
    assert asides[0].after > PATIENCE
    gaps = [later.after - earlier.after for earlier, later in pairwise(asides)]
    assert all(1.0 < gap < 60 / 60 / 0.93 for gap in gaps)


def test_nothing_waits_longer_than_a_little_more_than_two_seconds():
    lane = Driven(Limits(1))
    places = lane.enters(4)
    lane.run(CUT + 0.001)
    assert stands(places) == ["UNDER_WAY", "LEFT", "LEFT", "LEFT"]
    assert all(aside.reason is Reason.PACED for aside in lane.refusals())


def test_high_goes_first_within_an_organisation():
    lane = Driven(Limits(1), asking=False)
    normal = lane.enters(4)
    high = lane.enter(high=True)
    for place in normal[:2]:
        lane.leave(place)
    assert stands([high, *normal[2:]]) == ["NEAR", "NEAR", "WAITING"]


def test_what_is_ready_goes_high_first_too():
    lane = Driven(Limits(2))
    places = lane.enters(3)
    high = lane.enter(high=True)
    lane.end(places[0])
    assert high.stand is Stand.UNDER_WAY
    assert places[2].stand is Stand.READY


def test_what_is_due_goes_before_what_is_fresh():
    lane = Driven(Limits(1), asking=False)
    fresh = lane.enters(4)
    due = lane.enter(due=True)
    for place in fresh[:2]:
        lane.leave(place)
    assert due.stand is Stand.NEAR
    assert fresh[3].stand is Stand.WAITING


def test_organisations_are_served_in_turn():
    lane = Driven(Limits(1), asking=False)
    first = lane.enters(2)  # both are near
    waiting = {name: lane.enters(2, name) for name in ("flood", "globex", "initech")}
    order = []
    near = list(first)
    while near:
        lane.leave(near.pop(0))
        for name, places in waiting.items():
            for index, place in enumerate(places):
                if place.stand is Stand.NEAR and (name, index) not in order:
                    order.append((name, index))
                    near.append(place)
    assert order == [(name, index) for index in range(2) for name in ("flood", "globex", "initech")]


def test_high_mail_does_not_hold_back_the_rest_of_its_organisation_for_ever():
    lane = Driven(Limits(1, per_minute=120))
    for _ in range(400):
        lane.enter(high=True)
        lane.enter(due=True)
        lane.run(0.52)
        lane.finish()
    normal = [place for place in lane.sent if place.rank is Rank.DUE]
    assert len(lane.sent) > 350
    assert 5 <= len(normal) <= 10


def test_a_throttle_holds_the_lane_until_the_provider_takes_mail_again():
    lane = Driven(Limits(4))
    places = lane.enters(6)
    lane.end(places[0], Throttled(Code.THROTTLED, retry_after=30.0))
    assert stands(places[4:]) == ["LEFT", "LEFT"]
    assert all(aside.reason is Code.THROTTLED for aside in lane.refusals())
    assert all(30.0 <= aside.after < 32.0 for aside in lane.refusals())
    lane.finish()
    fresh = lane.enter(high=True)
    assert 30.0 <= fresh.after < 32.0
    lane.run(30.01)
    assert lane.enter().stand is Stand.UNDER_WAY


def test_a_short_throttle_is_waited_for_here():
    lane = Driven(Limits(4))
    lane.end(lane.enter(), Throttled(Code.THROTTLED, retry_after=1.0))
    place = lane.enter()
    assert stands([place]) == ["WAITING"]
    lane.run(1.01)
    assert stands([place]) == ["UNDER_WAY"]


def test_a_throttle_without_a_time_is_a_pause_that_grows_until_something_is_accepted():
    lane = Driven(Limits(1))
    pauses = []
    for _ in range(5):
        lane.end(lane.enter(), Throttled(Code.THROTTLED))
        pauses.append(lane.enter().after)
        lane.run(pauses[-1] + 0.01)
    assert [round(pause) for pause in pauses] == [5, 10, 20, 40, 60]
    lane.end(lane.enter())
    lane.end(lane.enter(), Throttled(Code.THROTTLED))
    assert round(lane.enter().after) == 5


def test_each_complaint_takes_one_connection_and_one_comes_back_after_five_quiet_minutes():
    lane = Driven(Limits(4))
    complaint = Throttled(Code.TOO_MANY_CONNECTIONS, retry_after=60.0)
    places = lane.enters(4)
    lane.run(0.1)
    # One complaint, told to two mails that were under way at the same time.
    lane.end(places[0], complaint)
    lane.end(places[1], complaint)
    lane.enters(4)
    assert len(lane.under_way()) == 3
    lane.finish()
    lane.run(299)
    lane.enters(4)
    assert len(lane.under_way()) == 3
    lane.finish()
    lane.run(2)
    lane.enters(4)
    assert len(lane.under_way()) == 4


def test_the_last_connection_is_never_taken_away():
    lane = Driven(Limits(2))
    for _ in range(5):
        lane.run(0.1)
        lane.end(lane.enter(), Throttled(Code.TOO_MANY_CONNECTIONS, retry_after=1.0))
        lane.run(1.01)
    assert lane.enter().stand is Stand.UNDER_WAY


def test_a_throttled_rate_comes_down_and_recovers():
    lane = Driven(Limits(4, per_minute=60))
    lane.end(lane.enter(), Throttled(Code.THROTTLED, retry_after=1.0))
    lane.run(2)
    lane.end(lane.enter())
    slower = lane.enter()
    lane.run(1.1)
    assert slower.stand is not Stand.UNDER_WAY
    lane.run(0.1)
    assert slower.stand is Stand.UNDER_WAY
    lane.end(slower)
    lane.run(301)
    lane.end(lane.enter())
    again = lane.enter()
    lane.run(1.03)
    assert again.stand is Stand.UNDER_WAY


@pytest.mark.parametrize("error", [Unreachable(Code.CONNECT_FAILED), Throttled(Code.NO_CONNECTION_FREE)])
def test_other_errors_teach_the_lane_nothing(error):
    lane = Driven(Limits(4))
    lane.end(lane.enter(), error)
    assert stands(lane.enters(4)) == ["UNDER_WAY"] * 4


def test_a_daily_budget_of_recipients_is_kept_and_comes_back_a_day_later():
    lane = Driven(Limits(4, per_day=10, day_unit=DayUnit.RECIPIENTS))
    lane.end(lane.enter(units=6))
    lane.end(lane.enter(units=4))
    aside = lane.enter(units=1)
    assert isinstance(aside, Aside)
    assert aside.after == 3600
    lane.run(24 * 3600 - 1)
    assert isinstance(lane.enter(units=1), Aside)
    lane.run(3600)
    assert lane.enter(units=6).stand is Stand.UNDER_WAY


def test_mails_about_to_start_count_for_the_budget_too():
    lane = Driven(Limits(4, per_day=2), asking=False)
    assert stands(lane.enters(2)) == ["NEAR", "NEAR"]
    assert isinstance(lane.enter(), Aside)


def test_a_mail_with_more_recipients_than_a_day_has_goes_on_an_empty_day():
    lane = Driven(Limits(4, per_day=10, day_unit=DayUnit.RECIPIENTS))
    assert lane.enter(units=400).stand is Stand.UNDER_WAY
    assert isinstance(lane.enter(units=1), Aside)


def test_in_a_crowded_partition_an_organisation_has_little_in_hand():
    lane = Driven(Limits(4))
    found = lane.enters(LITTLE + 4, crowded=True)
    assert [isinstance(place, Aside) for place in found] == [False] * LITTLE + [True] * 4
    assert found[-1].reason is Reason.CROWDED
    assert found[-1].after >= 1.0
    assert not isinstance(lane.enter(high=True, crowded=True), Aside)
    assert not isinstance(lane.enter("globex", crowded=True), Aside)
    assert not isinstance(lane.enter(), Aside)


def test_organisations_share_a_crowded_lane():
    lane = Driven(Limits(20))
    for name in ("a", "b", "c", "d", "e"):
        lane.enter(name)
    found = lane.enters(LITTLE + 9, "a", crowded=True)
    assert sum(isinstance(place, Aside) for place in found) == 10


def test_promises_to_one_organisation_do_not_put_another_behind_them():
    lane = Driven(Limits(4, per_minute=60))
    flood = lane.enters(500, "flood")
    other = lane.enter("globex")
    assert flood[-1].after > 400
    assert other.after < 10


def test_what_returns_and_finds_no_place_is_not_put_behind_the_fresh_backlog():
    lane = Driven(Limits(4, per_minute=60))
    backlog = lane.enters(500)
    due = [lane.enter(due=True) for _ in range(5)]
    assert backlog[-1].after > 400
    asides = [place for place in due if isinstance(place, Aside)]
    assert len(asides) >= 4
    assert all(place.after < 10 for place in asides)


def test_promises_that_rest_on_how_long_mail_takes_now_reach_not_far_and_then_half_as_far_and_are_spread():
    lane = Driven(Limits(1))
    lane.enter()
    lane.run(80)  # so it is taken to be one in 20 s
    found = [place.after for place in lane.enters(300) if isinstance(place, Aside)]
    assert found == sorted(found)
    assert 800 < found[50] <= 900
    assert found[150] - found[100] == pytest.approx(50 * 20 / 2)
    assert len({round(after) for after in found if after > 900}) > 150


def test_new_limits_hold_at_once_and_old_promises_no_longer():
    lane = Driven(Limits(4, per_minute=30))
    lane.enters(500)
    lane.lane.use(Limits(4, per_minute=600), "", lane.now)
    assert lane.enters(30)[-1].after < 10


def test_another_account_has_not_been_throttled():
    lane = Driven(Limits(4))
    lane.end(lane.enter(), Throttled(Code.THROTTLED, retry_after=600.0))
    lane.lane.forgive()
    assert lane.enter().stand is Stand.UNDER_WAY
