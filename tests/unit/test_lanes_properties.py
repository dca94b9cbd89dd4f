"""What holds of a lane whatever happens in it: limits, order, patience, and that nothing is left behind."""

import random
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from config.limits import DayUnit, Limits
from consumer.lane_gate import AGAIN, CUT_QUICK
from consumer.lane_line import Aside, Rank, Stand
from tests.lane_driving import Driven
from transports.errors import Code, Throttled, Unreachable

LIMITS = st.builds(
    Limits,
    concurrency=st.integers(1, 5),
    per_minute=st.sampled_from([2, 2, 3, 7, 30, 120, 1200, None]),
    per_day=st.sampled_from([None, None, None, 3, 20]),
    day_unit=st.sampled_from(DayUnit),
)
ERRORS = st.sampled_from(
    [
        *[None] * 6,
        Unreachable(Code.CONNECT_FAILED),
        Throttled(Code.THROTTLED, retry_after=1.0),
        Throttled(Code.THROTTLED, retry_after=40.0),
        Throttled(Code.TOO_MANY_CONNECTIONS, retry_after=60.0),
        Throttled(Code.THROTTLED),
    ]
)
ENTER = st.tuples(
    st.just("enter"), st.sampled_from("abc"), st.booleans(), st.booleans(), st.integers(1, 4), st.booleans()
)
RUN = st.tuples(st.just("run"), st.sampled_from([0.0, 0.01, 0.3, 1.0, 3.0, 20.0, 30.0, 40.0, 61.0, 300.0]))
STEP = st.one_of(
    ENTER,
    RUN,
    ENTER,
    RUN,
    st.tuples(st.just("end"), st.integers(0, 9), ERRORS),
    st.tuples(st.just("end"), st.integers(0, 9), st.none()),
    st.tuples(st.just("give up"), st.integers(0, 99)),
    st.tuples(st.just("want"), st.integers(0, 9)),
)


class Watched(Driven):
    """A lane of which every send is written down, with start and end."""

    def __init__(self, limits, asking=True):
        super().__init__(limits, asking=asking)
        self.places = []
        self.ends = {}
        self.day_at = defaultdict(int)

    def do(self, step):
        match step:
            case ("enter", organization, high, due, units, crowded):
                place = self.enter(organization, high=high, due=due, units=units, crowded=crowded)
                if isinstance(place, Aside):
                    assert place.after >= 1.0
                else:
                    self.places.append(place)
            case ("end", index, error) if self.under_way():
                place = self.under_way()[index % len(self.under_way())]
                self.ends[place] = self.now
                self.end(place, error)
            case ("give up", index):
                held = [place for place in self.places if place.stand not in (Stand.LEFT, Stand.OUT)]
                if held:
                    place = held[index % len(held)]
                    if place.stand is Stand.UNDER_WAY:
                        self.ends[place] = self.now
                    self.leave(place)
            case ("want", index):
                near = [place for place in self.places if place.stand is Stand.NEAR]
                if near:
                    self.want(near[index % len(near)])
            case ("run", seconds):
                self.run(seconds)
        assert self.lane.under_way <= self.lane.limits.concurrency
        assert all(
            place.stand is not Stand.WAITING or self.now <= place.since + CUT_QUICK + AGAIN for place in self.places
        )
        assert all(
            place.stand is not Stand.READY or self.now <= place.since + CUT_QUICK + AGAIN for place in self.places
        )

    def most_in_a_minute(self):
        """The most mails that can have arrived in one minute, each at any moment between its start and its end."""
        most = 0
        for last in self.sent:
            window = last.began - 60
            alive = [
                place
                for place in self.sent
                if place.began <= last.began and (place not in self.ends or self.ends[place] > window)
            ]
            most = max(most, len(alive))
        return most

    def most_in_a_day(self):
        counted = 1 if self.lane.limits.day_unit == "mails" else None
        return max(
            (
                sum(
                    counted or place.units
                    for place in self.sent
                    if place.began <= last.began
                    and (place not in self.ends or self.ends[place] > last.began - 24 * 3600)
                )
                for last in self.sent
            ),
            default=0,
        )


@given(LIMITS, st.lists(STEP, min_size=20, max_size=100), st.booleans())
def test_the_limits_hold_whatever_happens_and_nothing_is_left_behind(limits, steps, asking):
    lane = Watched(limits, asking)
    for step in steps:
        lane.do(step)
    assert limits.per_minute is None or lane.most_in_a_minute() <= limits.per_minute
    assert limits.per_day is None or lane.most_in_a_day() <= max(limits.per_day, 4)
    for place in lane.places:
        if place.stand not in (Stand.LEFT, Stand.OUT):
            lane.leave(place)
    assert (lane.lane.in_hand, lane.lane.waiting, lane.lane.under_way) == (0, 0, 0)
    assert lane.lane.wake_at(lane.now) is None
    # A lane that nobody uses is as good as new after a time.
    lane.run(25 * 3600)
    lane.asking = True
    assert lane.enter("d").stand is Stand.UNDER_WAY


@given(LIMITS, st.lists(st.lists(STEP, min_size=15, max_size=25), min_size=2, max_size=4))
def test_the_limits_hold_across_hand_overs(limits, lives):
    lane = Watched(limits)
    for steps in lives:
        for step in steps:
            lane.do(step)
        for place in lane.places:  # what a drain does
            if place.stand is not Stand.LEFT and place.stand is not Stand.OUT:
                if place.stand is Stand.UNDER_WAY:
                    lane.ends[place] = lane.now
                lane.leave(place)
        following = Watched(limits)
        following.now, following.wall = lane.now, lane.wall
        following.lane = lane.successor().lane
        following.sent, following.ends = lane.sent, lane.ends
        lane = following
    assert limits.per_minute is None or lane.most_in_a_minute() <= limits.per_minute
    assert limits.per_day is None or lane.most_in_a_day() <= max(limits.per_day, 4)


@given(LIMITS.filter(lambda limits: limits.per_day is None), st.integers(0, 2**32), st.integers(1, 40))
def test_within_an_organisation_and_a_rank_nobody_is_overtaken(limits, seed, count):
    dice = random.Random(seed)
    lane = Watched(limits)
    for _ in range(count):
        lane.do(("enter", dice.choice("ab"), dice.random() < 0.3, dice.random() < 0.5, 1, False))
        if dice.random() < 0.5:
            lane.run(dice.choice((0.01, 0.5, 1.2)))
        if dice.random() < 0.5 and lane.under_way():
            lane.do(("end", 0, None))
    for organization in "ab":
        for rank in (Rank.DUE, Rank.FRESH):
            order = [
                lane.places.index(place)
                for place in lane.sent
                if (place.organization, place.rank) == (organization, rank)
            ]
            assert order == sorted(order)


@given(st.integers(1, 4), st.integers(2, 6), st.integers(1, 8))
def test_a_small_organisation_waits_for_one_mail_of_each_other_at_most(concurrency, organizations, flood):
    lane = Watched(Limits(concurrency), asking=False)
    others = lane.enters(2 * concurrency, "first")
    for number in range(organizations):
        others += lane.enters(flood, f"flood-{number}")
    small = lane.enter("small")
    left = 0
    while not isinstance(small, Aside) and small.stand is Stand.WAITING:
        lane.leave(next(place for place in others if not isinstance(place, Aside) and place.stand is Stand.NEAR))
        left += 1
    assert left <= organizations + 1
