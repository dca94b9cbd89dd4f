"""One breaker: opens on failures in a row, lets one probe through, waits longer each time, and closes at an answer."""

from dataclasses import replace
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from consumer import breaker as state
from consumer.breaker import Breaker, Rules

RULES = Rules(jitter=0.0)
SPREAD = Rules()


def middle():
    return 0.5


def after_failures(count, *, slow=False, every=1.0):
    breaker = Breaker()
    for number in range(count):
        breaker = state.failed(breaker, number * every, RULES, slow=slow)
    return breaker


def opened(now=0.0):
    return state.opened(after_failures(5), now, RULES, middle)


def test_it_is_worn_out_by_failures_in_a_row_or_by_fewer_slow_ones():
    assert not state.worn_out(after_failures(4), RULES)
    assert state.worn_out(after_failures(5), RULES)
    assert not state.worn_out(after_failures(2, slow=True), RULES)
    assert state.worn_out(after_failures(3, slow=True), RULES)


def test_an_answer_in_between_begins_the_count_anew():
    breaker = state.answered(after_failures(4, slow=True), 4.0)
    assert not state.worn_out(state.failed(breaker, 5.0, RULES, slow=True), RULES)


def test_failures_that_are_long_ago_do_not_count():
    breaker = after_failures(50, every=RULES.forgotten + 1)
    assert breaker.failures == 1


def test_its_pauses_grow_up_to_a_bound_while_probes_fail():
    breaker, pauses = opened(), []
    for _ in range(10):
        now = breaker.due
        assert not breaker.may_probe(now - 0.001)
        assert breaker.may_probe(now)
        breaker = state.probe_failed(state.probing(breaker, now + 100), now, RULES, middle)
        pauses.append(breaker.due - now)
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900, 900, 900]


def test_a_probe_that_says_nothing_is_followed_by_another_after_the_same_pause():
    breaker = state.probe_unclear(state.probing(opened(), 200.0), 20.0, RULES, middle)
    assert (breaker.due, breaker.pause) == (35.0, 15.0)


def test_a_probe_that_was_not_sent_leaves_its_place_to_the_next_mail():
    assert state.probe_given_up(state.probing(opened(), 200.0), 20.0).may_probe(20.0)


def test_a_probe_whose_sender_died_runs_out():
    breaker = state.probing(opened(), 115.0)
    assert not breaker.may_probe(114.9)
    assert breaker.may_probe(115.0)


def test_one_that_opens_again_at_once_goes_on_with_the_pauses_it_had():
    def closed(at):
        return state.answered(state.probe_failed(opened(), 15.0, RULES, middle), at)

    assert state.opened(closed(45.0), 50.0, RULES, middle).pause == 60.0
    assert state.opened(closed(45.0), 76.0, RULES, middle).pause == 15.0


def test_again_may_last_longer_than_its_last_pause():
    closed = state.answered(opened(), 20.0)
    rules = replace(RULES, again=60.0)
    assert [state.opened(closed, at, rules, middle).pause for at in (80.0, 80.1)] == [30.0, 15.0]


def test_it_is_forgotten_when_nothing_of_it_matters():
    assert not opened().idle(1e9, RULES)
    closed = state.answered(opened(), 20.0)
    assert not closed.idle(20.0 + 15.0 + RULES.forgotten, RULES)
    assert closed.idle(20.1 + 15.0 + RULES.forgotten, RULES)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["mail", "failed", "failed", "failed", "answered", "unclear", "given up", "died"]),
        st.floats(0.0, 300.0),
        st.booleans(),
        st.floats(0.0, 0.999),
    ),
    max_size=120,
)


@given(STEPS)
def test_there_are_never_two_probes_and_pauses_stay_within_their_bounds(steps):
    breaker, now, until = Breaker(), 0.0, None
    for what, pause, slow, chance in steps:
        now += pause
        if until is not None and now >= until:
            until = None  # taken for lost
        if breaker.is_open and until is None and breaker.may_probe(now):
            until = now + 100
            breaker = state.probing(breaker, until)
        assert not (until is not None and breaker.may_probe(now)), "a second probe"
        if not breaker.is_open:
            if what == "answered":
                breaker = state.answered(breaker, now)
            else:
                breaker = state.failed(breaker, now, SPREAD, slow=slow)
            if state.worn_out(breaker, SPREAD):
                breaker = state.opened(breaker, now, SPREAD, partial(float, chance))
        elif until is not None:
            breaker, until = _end(breaker, what, now, chance, until)
        if breaker.is_open:
            assert SPREAD.first <= breaker.pause <= SPREAD.longest
            assert breaker.remaining(now) <= SPREAD.longest * (1 + SPREAD.jitter)


def _end(breaker, what, now, chance, until):
    random = partial(float, chance)
    match what:
        case "answered":
            return state.answered(breaker, now), None
        case "failed":
            return state.probe_failed(breaker, now, SPREAD, random), None
        case "unclear":
            return state.probe_unclear(breaker, now, SPREAD, random), None
        case "given up":
            return state.probe_given_up(breaker, now), None
    return breaker, until


def test_mails_that_fail_together_are_one_failure():
    breaker = Breaker()
    for _ in range(20):
        breaker = state.failed(breaker, 1.0, RULES, slow=False)
    assert not state.worn_out(breaker, RULES)
    for number in range(4):
        breaker = state.failed(breaker, 1.25 + number / 4, RULES, slow=False)
    assert state.worn_out(breaker, RULES)
