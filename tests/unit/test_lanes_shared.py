"""A lane that organisations share: none of them gets all of it; and what is skimmed off a crowded partition."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.limits import Limits
from consumer.lane_gate import AGAIN, CUT, CUT_QUICK
from consumer.lane_line import LITTLE, Aside, Rank, Stand
from consumer.names import WAIT_TIERS
from consumer.outcome import Reason
from tests.lane_driving import Driven
from transports.errors import Code, Throttled


def skimmed(lane) -> Aside:
    aside = lane.lane.skim("acme", Rank.FRESH, lane.now)
    assert aside is not None
    return aside


def under_way(lane, organization):
    return sum(place.organization == organization for place in lane.under_way())


@pytest.mark.parametrize(("concurrency", "most"), [(4, 3), (5, 4), (8, 6), (20, 15)])
def test_one_organisation_gets_three_quarters_and_another_one_goes_at_once(concurrency, most):
    lane = Driven(Limits(concurrency), shared=True)
    lane.enters(5 * concurrency, "flood")
    assert under_way(lane, "flood") == most
    lane.run(1.0)
    assert under_way(lane, "flood") == most
    assert [place.stand for place in lane.enters(concurrency - most, "small")] == [Stand.UNDER_WAY] * (
        concurrency - most
    )


@pytest.mark.parametrize(("limits", "shared"), [(Limits(3), True), (Limits(8), False)])
def test_a_narrow_lane_and_an_own_one_are_used_to_the_full(limits, shared):
    lane = Driven(limits, shared=shared)
    lane.enters(20)
    assert len(lane.under_way()) == limits.concurrency


def test_the_next_of_an_organisation_that_has_its_share_goes_when_one_of_its_own_ends_high_first():
    lane = Driven(Limits(4), shared=True)
    flood = lane.enters(5, "flood")
    high = lane.enter("flood", high=True)
    small = lane.enter("small")
    assert [place.stand.name for place in flood] == ["UNDER_WAY"] * 3 + ["READY"] * 2
    assert [lane.enter("flood").stand, high.stand] == [Stand.WAITING, Stand.READY]
    lane.end(small)
    assert under_way(lane, "flood") == 3
    lane.end(flood[0])
    assert [high.stand, flood[3].stand] == [Stand.UNDER_WAY, Stand.READY]
    lane.end(flood[1])
    assert [flood[3].stand, flood[4].stand] == [Stand.UNDER_WAY, Stand.READY]


def test_who_waits_for_its_own_share_is_not_looked_at_again_and_again():
    lane = Driven(Limits(4), shared=True)
    lane.enters(12, "flood")
    lane.step()
    at = lane.lane.wake_at(lane.now)
    assert at is not None
    assert at > lane.now + 1.0


def test_a_flood_of_slow_mail_waits_no_longer_than_others_and_is_promised_by_its_share():
    lane = Driven(Limits(8), shared=True)
    lane.enters(30, "flood")
    lane.run(CUT + 0.01)
    assert lane.lane.waiting == 0
    lane.run(58)  # so a mail is taken to take 15 s
    found = [place.after for place in lane.enters(200, "flood") if isinstance(place, Aside)]
    assert found[150] - found[50] == pytest.approx(100 * 15 / 6 * 0.85, rel=0.05)
    small = lane.enters(2, "small")
    assert [place.stand for place in small] == [Stand.UNDER_WAY] * 2


def test_a_provider_that_wants_less_leaves_the_last_connection_to_everybody():
    lane = Driven(Limits(4), shared=True)
    for _ in range(6):
        lane.run(0.1)
        lane.end(lane.enter(), Throttled(Code.TOO_MANY_CONNECTIONS, retry_after=1.0))
        lane.run(1.01)
    lane.enters(3)
    assert len(lane.under_way()) == 1


STEP = st.tuples(
    st.sampled_from(["enter", "enter", "end", "leave", "run", "want", "throttle", "limits"]), st.integers(0, 99)
)


class Busy(Driven):
    """A shared lane in which anything may happen."""

    def __init__(self, limits, asking):
        super().__init__(limits, shared=True, asking=asking)
        self.places = []

    def of(self, *stands):
        return [place for place in self.places if place.stand in stands]

    def do(self, step, number):
        match step:
            case "enter":
                place = self.enter("aaab"[number % 4], high=number % 5 == 0)
                self.places += [] if isinstance(place, Aside) else [place]
            case "limits":
                self.lane.use(Limits(1 + number % 9), "", self.now)
            case "run":
                self.run(number / 40)
            case _:
                self.do_to(step, number)

    def do_to(self, step, number):
        stands = {"want": [Stand.NEAR], "leave": [Stand.WAITING, Stand.NEAR, Stand.READY, Stand.UNDER_WAY]}
        found = self.of(*stands.get(step, [Stand.UNDER_WAY]))
        if not found:
            return
        place = found[number % len(found)]
        if step == "want":
            self.want(place)
        elif step == "leave":
            self.leave(place)
        else:
            complaint = Throttled(Code.TOO_MANY_CONNECTIONS, retry_after=1.0) if step == "throttle" else None
            self.end(place, complaint)


@given(st.integers(1, 9), st.lists(STEP, min_size=20, max_size=120), st.booleans())
def test_whatever_happens_nobody_has_more_than_its_share_and_nothing_is_left_behind(concurrency, steps, asking):
    lane = Busy(Limits(concurrency), asking)
    share = -(-3 * concurrency // 4) if concurrency >= 4 else concurrency
    same = not any(step == "limits" for step, _ in steps)
    for step, number in steps:
        lane.do(step, number)
        if same:
            assert all(under_way(lane, name) <= share for name in "ab")
            assert len(lane.under_way()) <= concurrency
        waits = lane.of(Stand.WAITING, Stand.READY)
        assert all(lane.now <= place.since + CUT_QUICK + AGAIN for place in waits)
        assert not waits or lane.lane.wake_at(lane.now) is not None
    for place in lane.places:
        if place.stand not in (Stand.LEFT, Stand.OUT):
            lane.leave(place)
    assert (lane.lane.in_hand, lane.lane.waiting, lane.lane.under_way) == (0, 0, 0)
    assert lane.lane.wake_at(lane.now) is None
    lane.run(600)
    lane.asking = True
    assert lane.enter("c").stand is Stand.UNDER_WAY


# what is skimmed off


def test_who_has_much_in_hand_is_skimmed_off_unread_for_one_hop():
    lane = Driven(Limits(4))
    assert lane.lane.skim("acme", Rank.FRESH, lane.now) is None
    lane.enters(LITTLE)
    found = [skimmed(lane) for _ in range(50_000)]
    assert {aside.reason for aside in found} == {Reason.CROWDED}
    assert [aside.after for aside in found] == sorted(aside.after for aside in found)
    assert {aside.after for aside in found} <= {float(step) for step in WAIT_TIERS if step <= 60}
    assert (found[0].after, found[-1].after) == (1, 60)
    assert lane.lane.skim("globex", Rank.FRESH, lane.now) is None
    assert lane.lane.in_hand == LITTLE


def test_what_returns_may_come_on_top_of_what_is_fresh():
    lane = Driven(Limits(4))
    lane.enters(LITTLE)
    assert lane.lane.skim("acme", Rank.DUE, lane.now) is None


def test_what_was_skimmed_off_puts_nothing_off_once_it_must_have_come_back():
    lane = Driven(Limits(4))
    lane.handing = False
    lane.enters(LITTLE)
    for _ in range(100):
        lane.now += 0.01
        for _ in range(1000):
            skimmed(lane)
    assert skimmed(lane).after == 60
    lane.now += 121
    assert skimmed(lane).after <= 1


@pytest.mark.parametrize("how", ["rate", "slow", "held"])
def test_where_the_pace_is_known_what_is_skimmed_gets_a_promise(how):
    lane = Driven(Limits(4, per_minute=60) if how == "rate" else Limits(4))
    if how == "held":
        lane.end(lane.enter(), Throttled(Code.THROTTLED, retry_after=50.0))
    lane.enters(LITTLE, crowded=True)
    if how == "slow":
        lane.run(2.0)
        lane.now += 60
    found = [lane.enter(crowded=True) for _ in range(3)]
    reasons = {aside.reason for aside in found if isinstance(aside, Aside)}
    assert reasons == {Code.THROTTLED if how == "held" else Reason.PACED}


def test_a_shared_lane_is_kept_busy_by_many():
    dice = random.Random(7)
    lane = Driven(Limits(8), shared=True)
    for _ in range(300):
        for name in "abcde":
            lane.enter(name)
        lane.run(dice.uniform(0.02, 0.1))
        for place in lane.under_way():
            if dice.random() < 0.5:
                lane.end(place)
        assert len(lane.under_way()) == 8 or lane.lane.waiting == 0
