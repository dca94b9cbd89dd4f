"""The retry rule as a table of numbers, with pinned clock and randomness."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import names
from consumer.attempt import Attempt
from consumer.outcome import Dead, Park, Reason, Retry
from consumer.retry import Policy, decide, tier
from transports import errors
from transports.errors import Code

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
POLICY = Policy(jitter=0.2)


def judge(error, number=0, *, unknown=0, age=0.0, expiry=None, hold=False, random=0.5, policy=POLICY):
    attempt = Attempt(first_seen=NOW - timedelta(seconds=age), number=number, unknown=unknown)
    return decide(error, attempt, now=NOW, expiry=expiry, hold_unknown=hold, policy=policy, random=lambda: random)


@pytest.mark.parametrize(("number", "pause"), [(0, 15), (1, 60), (2, 300), (3, 900), (4, 3600), (5, 3600), (60, 3600)])
def test_a_temporary_failure_follows_the_schedule_and_its_last_step_repeats(number, pause):
    branch = judge(errors.Temporary(Code.TEMPORARY_FAILURE), number)
    assert branch.decision == Retry(pause)
    assert branch.reason is Code.TEMPORARY_FAILURE


@pytest.mark.parametrize(("random", "pause"), [(0.0, 12.0), (0.5, 15.0), (0.999999, 18.0)])
def test_jitter_spreads_a_pause_to_both_sides(random, pause):
    decision = judge(errors.Unreachable(Code.CONNECT_FAILED), random=random).decision
    assert decision.after == pytest.approx(pause, abs=0.01)


def test_a_throttle_waits_as_long_as_the_provider_said_and_is_not_counted():
    decision = judge(errors.Throttled(Code.THROTTLED, retry_after=437), 40, random=0.0).decision
    assert decision == Retry(437, counted=False)


def test_a_throttle_never_comes_back_earlier_than_the_provider_said_and_hardly_later():
    assert 437 < judge(errors.Throttled(Code.THROTTLED, retry_after=437), random=0.9).decision.after < 437.5
    assert 1 < judge(errors.Throttled(Code.THROTTLED, retry_after=1), random=0.9).decision.after < 1.2


def test_a_greylisted_recipient_waits_at_least_what_the_rule_says():
    error = errors.RecipientDeferred(Code.RECIPIENT_GREYLISTED, retry_after=600)
    assert judge(error).decision == Retry(600)


@pytest.mark.parametrize(
    "error",
    [
        errors.Permanent(Code.MESSAGE_REFUSED),
        errors.RecipientRefused(Code.RECIPIENT_REFUSED),
        errors.MessageRefused(Code.MESSAGE_TOO_LARGE),
    ],
)
def test_what_can_never_succeed_is_dead_at_once_with_its_code(error):
    branch = judge(error)
    assert branch.decision == Dead()
    assert branch.reason is error.code


def test_an_account_problem_parks():
    assert judge(errors.AccountProblem(Code.SIGN_IN_REFUSED), 70).decision == Park()


def test_a_platform_problem_waits_for_ever_without_counting():
    decision = judge(errors.PlatformProblem(Code.STORE_UNAVAILABLE), 99, age=80 * 3600).decision
    assert decision == Retry(15.25, counted=False)


def test_an_unknown_outcome_is_sent_once_more_after_the_pause():
    branch = judge(errors.OutcomeUnknown(Code.OUTCOME_UNKNOWN))
    assert branch.decision == Retry(300)
    assert branch.unknown


def test_a_second_unknown_outcome_is_a_dead_letter():
    branch = judge(errors.OutcomeUnknown(Code.OUTCOME_UNKNOWN), unknown=1)
    assert branch.decision == Dead()
    assert branch.reason is Code.OUTCOME_UNKNOWN


def test_an_event_that_asks_to_be_held_is_never_resent_after_an_unknown_outcome():
    assert judge(errors.OutcomeUnknown(Code.OUTCOME_UNKNOWN), hold=True).decision == Dead()


def test_a_code_nobody_classified_gets_few_tries():
    error = errors.Temporary(Code.UNKNOWN_REPLY)
    assert judge(error, 3).decision == Retry(900)
    assert judge(error, 4).decision == Dead()


def test_retries_end_after_72_hours():
    branch = judge(errors.Temporary(Code.TEMPORARY_FAILURE), 70, age=72 * 3600 - 100)
    assert branch.decision == Dead()
    assert branch.reason is Reason.RETRIES_EXHAUSTED


def test_time_spent_parked_does_not_use_up_the_72_hours():
    attempt = Attempt(first_seen=NOW - timedelta(hours=100), paused=90 * 3600)
    branch = decide(
        errors.Temporary(Code.TEMPORARY_FAILURE),
        attempt,
        now=NOW,
        expiry=None,
        hold_unknown=False,
        policy=POLICY,
        random=lambda: 0.5,
    )
    assert branch.decision == Retry(15)


def test_an_event_that_would_expire_before_its_next_try_is_given_up_as_expired():
    branch = judge(errors.Temporary(Code.TEMPORARY_FAILURE), expiry=NOW + timedelta(seconds=15))
    assert branch.decision == Dead()
    assert branch.reason is Reason.EXPIRED


def test_an_event_that_expires_after_its_next_try_is_tried_again():
    branch = judge(errors.Temporary(Code.TEMPORARY_FAILURE), expiry=NOW + timedelta(seconds=16))
    assert branch.decision == Retry(15)


def test_every_error_class_of_the_transports_has_a_decision():
    def classes(base):
        yield base
        for child in base.__subclasses__():
            yield from classes(child)

    for kind in classes(errors.DeliveryError):
        assert judge(kind(Code.TEMPORARY_FAILURE)).decision is not None


@given(
    number=st.integers(0, 10**9),
    age=st.floats(0, 10**7),
    random=st.floats(0, 1, exclude_max=True),
    retry_after=st.one_of(st.none(), st.floats()),
    kind=st.sampled_from([errors.Temporary, errors.Throttled, errors.Unreachable, errors.PlatformProblem]),
)
def test_no_count_age_or_provider_delay_breaks_the_rule(number, age, random, retry_after, kind):
    decision = judge(kind(Code.TEMPORARY_FAILURE, retry_after=retry_after), number, age=age, random=random).decision
    assert isinstance(decision, Dead) or 0 < decision.after <= 24 * 3600 * 1.2


@pytest.mark.parametrize(
    ("seconds", "queue"),
    [(0.2, 1), (1, 1), (4.9, 1), (5, 5), (14.9, 5), (15, 15), (437, 300), (3600, 3600), (1e6, 3600)],
)
def test_a_pause_takes_the_largest_wait_queue_that_fits(seconds, queue):
    assert tier(seconds, names.WAIT_TIERS) == queue


@given(st.floats(0, 10**6))
def test_going_round_the_wait_queues_is_never_early_by_more_than_a_second(seconds):
    waited = 0.0
    while seconds - waited > 1.0:
        waited += tier(seconds - waited, names.WAIT_TIERS)
    assert seconds - 1.0 <= waited <= seconds + 1.0


def test_throttling_keeps_an_event_at_any_age():
    branch = judge(errors.Throttled(Code.THROTTLED, retry_after=437), age=72 * 3600)
    assert branch.decision == Retry(437.25, counted=False)


def test_a_relay_of_ours_that_refuses_one_recipient_for_days_gives_it_up():
    problem = errors.PlatformProblem(Code.RELAYING_DENIED)
    assert judge(problem, age=3600).decision == Retry(15)
    assert judge(problem, age=72 * 3600).decision == Dead()
