"""The verdict on a chaos run finds each broken promise, and excuses what a fault explains and nothing else."""

from collections import Counter

import pytest

from tests.chaos.evidence import Delivery, Evidence, Letter, Unknown
from tests.chaos.mix import LOCKED, Unit
from tests.chaos.servers import Handed
from tests.chaos.stage import Spell
from tests.chaos.verdict import DEAD, EXPIRED, HANDED_OFF, PARKED, judge

UNKNOWN = ("unknown", "outcome_unknown")


def unit(kind="ok", organization="org-1"):
    return Unit(f"{kind}-1.0.{kind}@example.org", "event-1", kind, organization)


def taken(one, at=10.0, *, answered=True):
    return Handed(one.address, at, answered, "relay")


def letter(one, reason, *, unknown=0):
    return Letter(one.address, one.event, reason, unknown, 1)


def delivery(one, *, killed=False, **steps):
    """One that was not acknowledged."""
    return Delivery(one.event, 1, {"received": 1.0, **steps}, killed)


def evidence(*units, handed=(), dead=(), parked=(), deliveries=(), unknown=0, **more):
    """Of a few recipients, offered as often as they should be; ``unknown`` outcomes of the first event, at 12 s."""
    found = Evidence(
        units={one.address: one for one in units},
        handed=list(handed),
        dead=list(dead),
        parked=list(parked),
        deliveries={units[0].event: list(deliveries)},
        unknowns=[Unknown(units[0].event, 12.0)] * unknown,
        metrics={UNKNOWN: float(unknown)},
        asks=Counter({one.address: {"odd": 5, "soft": 2}.get(one.kind, 1) for one in units}),
    )
    for name, value in more.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("one", "end", "given"),
    [
        (unit(), HANDED_OFF, lambda one: {"handed": [taken(one)]}),
        (unit("hard"), DEAD, lambda one: {"dead": [letter(one, "recipient_refused")]}),
        (unit("late"), EXPIRED, lambda one: {"dead": [letter(one, "expired")]}),
        (unit(organization=LOCKED), PARKED, lambda one: {"parked": [letter(one, "sign_in_refused")]}),
    ],
)
def test_one_end_is_as_promised(one, end, given):
    found = judge(evidence(one, **given(one)), 0.0)
    assert found.fault == ""
    assert found.notes == []
    assert found.ends == {end: 1}


def test_what_is_nowhere_is_lost():
    found = judge(evidence(unit()), 0.0)
    assert found.lost == ["ok-1.0.ok@example.org"]
    assert "1 lost" in found.fault


@pytest.mark.parametrize(
    "given",
    [
        lambda one: {"handed": [taken(one)], "dead": [letter(one, "recipient_refused")]},
        lambda one: {"handed": [taken(one)], "parked": [letter(one, "sign_in_refused")]},
        lambda one: {"dead": [letter(one, "expired")], "parked": [letter(one, "sign_in_refused")]},
        # Its letter says that the outcome is unknown, but nobody has counted that.
        lambda one: {"handed": [taken(one)], "dead": [letter(one, "outcome_unknown", unknown=1)]},
    ],
)
def test_two_ends_are_found(given):
    one = unit()
    assert "1 in two end states" in judge(evidence(one, **given(one)), 0.0).fault


def test_a_mail_given_up_in_doubt_may_have_been_taken():
    one = unit("hold")
    dead = [letter(one, "outcome_unknown", unknown=1)]
    found = judge(
        evidence(
            one,
            handed=[taken(one, answered=False)],
            dead=dead,
            unknown=1,
            doubtful=Counter({one.address: 1}),
        ),
        0.0,
    )
    assert found.fault == ""
    assert found.ends == {DEAD: 1}


def twice(one, **more):
    return evidence(one, handed=[taken(one, 10.0), taken(one, 20.0)], **more)


def test_a_second_mail_without_a_cause_is_found():
    found = judge(twice(unit()), 0.0)
    assert found.unexplained
    assert "without a cause" in found.fault
    assert "not counted" in found.fault


def test_a_second_mail_is_explained_by_a_death_between_the_mail_and_its_record():
    one = unit()
    found = judge(twice(one, deliveries=[delivery(one, killed=True, sending=9.0)], unknown=1), 0.0)
    assert found.fault == ""
    assert found.twice == 1


@pytest.mark.parametrize(
    "steps", [{"sending": 9.0, "recorded": 11.0}, {"sending": 11.0}, {}], ids=["recorded", "too late", "not sent"]
)
def test_a_death_at_another_time_explains_nothing(steps):
    one = unit()
    found = judge(twice(one, deliveries=[delivery(one, killed=True, **steps)], unknown=1), 0.0)
    assert "sent twice without a cause" in found.fault


def test_a_second_mail_must_have_been_counted_as_unknown():
    one = unit()
    found = judge(twice(one, deliveries=[delivery(one, killed=True, sending=9.0)]), 0.0)
    assert "not counted as unknown" in found.fault
    assert "1 sent twice, 0 counted" in found.fault


def test_an_answer_that_was_lost_must_have_been_counted_as_unknown():
    one = unit()
    lost = Counter({one.address: 1})
    assert "not counted" in judge(evidence(one, handed=[taken(one)], doubtful=lost), 0.0).fault
    assert judge(evidence(one, handed=[taken(one)], doubtful=lost, unknown=1), 0.0).fault == ""


def test_an_unknown_outcome_needs_a_cause():
    one = unit()
    found = judge(evidence(one, handed=[taken(one)], unknown=1), 0.0)
    assert "1 unknown without a cause" in found.fault
    spell = [Spell("relay cut", 9.0, 9.5)]
    assert judge(evidence(one, handed=[taken(one)], unknown=1, spells=spell), 0.0).fault == ""


def test_the_metric_must_agree_with_what_was_logged():
    one = unit()
    found = judge(evidence(one, handed=[taken(one)], metrics={UNKNOWN: 3.0}), 0.0)
    assert "the metric has 3 unknown outcomes, the logs 0" in found.fault


def test_an_undisturbed_recipient_is_offered_as_often_as_it_should_be():
    one = unit("soft")
    found = judge(evidence(one, handed=[taken(one)], asks=Counter({one.address: 3})), 0.0)
    assert "1 undisturbed recipients" in found.fault
    disturbed = [delivery(one)]
    assert (
        judge(evidence(one, handed=[taken(one)], asks=Counter({one.address: 3}), deliveries=disturbed), 0.0).fault == ""
    )


def test_a_wrong_end_is_told_and_a_mail_of_nobody_is_wrong():
    one = unit()
    found = judge(evidence(one, dead=[letter(one, "message_refused")]), 0.0)
    assert found.notes == ["ok-1.0.ok@example.org ended as dead (message_refused)"]
    stranger = Handed("who@example.org", 1.0, answered=True, server="relay")
    assert "is of no event" in judge(evidence(one, handed=[taken(one), stranger]), 0.0).fault
