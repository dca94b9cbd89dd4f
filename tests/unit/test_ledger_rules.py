"""Which state follows which in the account of events: the rules, without a database."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.store_ledger_rows import Row, Stands
from consumer.ledger import Record, Standing, State
from consumer.ledger_rules import Begin, End, Operation, judge, positions, text

KEY, COPY, OTHER = b"k" * 16, b"copy one", b"copy two"
OURS, THEIRS = b"our mark", b"theirs  "
NOW = 1_000_000


def row(state, *, mark=OURS, owed=None, reason=None, copy=COPY):
    return Row(KEY, state, NOW - 2_000, owed, reason, copy, mark)


def begin(stands, *, resend=False, mark=b"new mark", copy=COPY):
    return judge(stands, Begin(KEY, copy, mark, resend), NOW)


def end(stands, record, *, mark=OURS, copy=COPY):
    return judge(stands, End(KEY, copy, mark, record), NOW)


def test_an_unknown_event_begins():
    new, standing = begin(None)
    assert (new.state, new.copy, new.mark) == (Stands.STARTED, COPY, b"new mark")
    assert standing == Standing(State.NEW, began=True)


@pytest.mark.parametrize(
    ("state", "resend", "began", "then"),
    [
        (Stands.STARTED, True, False, State.STARTED),
        (Stands.STARTED_OWED, True, False, State.STARTED),
        (Stands.STARTED_UNKNOWN, True, False, State.STARTED),
        (Stands.OWED, False, True, State.OWED),
        (Stands.OWED, True, True, State.OWED),
        (Stands.UNKNOWN, False, False, State.UNKNOWN),
        (Stands.UNKNOWN, True, True, State.UNKNOWN),
        (Stands.DONE, True, False, State.DONE),
        (Stands.DEAD, True, False, State.DEAD),
    ],
)
def test_what_stands_decides_whether_a_send_begins(state, resend, began, then):
    stands = row(state, owed="1,4", reason="expired")
    new, standing = begin(stands, resend=resend)
    assert (standing.state, standing.began, standing.owed) == (then, began, (1, 4))
    assert (standing.age, standing.same_copy) == (2.0, True)
    assert (new is stands) is not began
    if began:
        assert Stands(new.state).started
        assert (new.owed, new.mark) == ("1,4", b"new mark")


def test_another_copy_is_told_that_it_is_another():
    assert not begin(row(Stands.DONE), copy=OTHER)[1].same_copy


def test_an_age_is_never_below_nothing():
    assert judge(row(Stands.DONE), Begin(KEY, COPY, b"m", False), 0)[1].age == 0.0


def test_a_start_whose_answer_was_lost_is_not_taken_for_somebody_elses():
    for before in (None, row(Stands.OWED, owed="2"), row(Stands.UNKNOWN)):
        first, standing = begin(before, resend=True)
        again, repeated = begin(first, resend=True)
        assert again is first
        assert (repeated.began, repeated.state, repeated.owed) == (True, standing.state, standing.owed)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        (row(Stands.OWED, owed="0,3"), (Stands.OWED, "0,3")),
        (row(Stands.UNKNOWN, owed="2"), (Stands.UNKNOWN, "2")),
        (row(Stands.UNKNOWN), (Stands.UNKNOWN, None)),
    ],
)
def test_when_nothing_came_of_a_start_stands_what_stood_before(before, after):
    started, _ = begin(before, resend=True)
    new, standing = end(started, Record(State.NEW), mark=b"new mark")
    assert (None if new is None else (new.state, new.owed)) == after
    assert standing.state is (State.NEW if new is None else State(Stands(new.state).name.lower()))


@pytest.mark.parametrize("state", [Stands.STARTED, Stands.STARTED_OWED, Stands.STARTED_UNKNOWN])
@pytest.mark.parametrize(
    ("record", "after"),
    [
        (Record(State.DONE), (Stands.DONE, None, None)),
        (Record(State.OWED, (1, 2)), (Stands.OWED, "1,2", None)),
        (Record(State.OWED, (1,), "mailbox_full"), (Stands.OWED, "1", "mailbox_full")),
        (Record(State.DEAD, reason="expired"), (Stands.DEAD, None, "expired")),
        (Record(State.UNKNOWN, (4,)), (Stands.UNKNOWN, "4", None)),
        (Record(State.UNKNOWN), (Stands.UNKNOWN, "7", None)),
    ],
)
def test_whoever_began_says_how_it_ended(state, record, after):
    new, standing = end(row(state, owed="7"), record)
    assert (new.state, new.owed, new.reason) == after
    assert standing.state is record.state


@pytest.mark.parametrize("state", list(Stands))
@pytest.mark.parametrize("record", [Record(s) for s in (State.NEW, State.OWED, State.UNKNOWN, State.DEAD)])
def test_of_anybody_else_nothing_counts_but_a_hand_off(state, record):
    stands = row(state, mark=THEIRS)
    assert end(stands, record)[0] is stands
    new, standing = end(stands, Record(State.DONE))
    assert (new.state, standing.state, new.mark) == (Stands.DONE, State.DONE, THEIRS)


@pytest.mark.parametrize(
    ("late", "after"),
    [
        (Record(State.DONE), Stands.DONE),
        (Record(State.OWED, (1,)), Stands.OWED),
        (Record(State.DEAD, reason="too_large"), Stands.DEAD),
        (Record(State.NEW), None),
    ],
)
def test_a_late_answer_settles_what_was_taken_for_unknown(late, after):
    """A process stood still for longer than a send may last, and another one said that the outcome is unknown."""
    taken, _ = end(row(Stands.STARTED), Record(State.UNKNOWN), copy=OTHER)
    new, _ = end(taken, late)
    assert (None if new is None else new.state) == after


def test_a_late_answer_does_not_stop_the_resend_that_began_meanwhile():
    taken, _ = end(row(Stands.STARTED), Record(State.UNKNOWN), copy=OTHER)
    resent, _ = begin(taken, resend=True, copy=OTHER)
    for record in (Record(State.NEW), Record(State.OWED, (1,)), Record(State.UNKNOWN), Record(State.DEAD, reason="x")):
        assert end(resent, record)[0] is resent


def test_what_was_given_up_stays_so_unless_the_mail_was_handed_off_after_all():
    dead = row(Stands.DEAD, reason="outcome_unknown")
    for record in (Record(State.NEW), Record(State.OWED, (1,)), Record(State.UNKNOWN)):
        assert end(dead, record)[0] is dead
    assert end(dead, Record(State.DONE))[0].state == Stands.DONE


def test_what_is_owed_is_ended_by_the_same_start_once_its_branches_are_published():
    owed, _ = end(row(Stands.STARTED), Record(State.OWED, (1, 2), "mailbox_full"))
    for closing in (Record(State.OWED, (2,)), Record(State.DEAD, reason="mailbox_full"), Record(State.DONE)):
        new, standing = end(owed, closing)
        assert (standing.state, standing.owed) == (closing.state, closing.owed)
        assert new.mark == OURS


def test_a_record_without_its_start_is_kept_all_the_same():
    """The rows were lost, by going back to an older backup, say: what is told is still true."""
    assert end(None, Record(State.NEW)) == (None, Standing(State.NEW))
    for record in (Record(State.DONE), Record(State.OWED, (1,)), Record(State.DEAD, reason="expired")):
        assert end(None, record)[1].state is record.state


STATES = [None, *(row(s, mark=m, owed=o) for s, m, o in product(Stands, (OURS, THEIRS), (None, "1,3")))]
RECORDS = [Record(s, owed) for s, owed in product(State, (None, (3,))) if s is not State.STARTED]
OPERATIONS: list[Operation] = [
    *(Begin(KEY, *parts) for parts in product((COPY, OTHER), (OURS, b"new mark"), (True, False))),
    *(End(KEY, *parts) for parts in product((COPY, OTHER), (OURS, b"unknown "), RECORDS)),
]


def test_every_operation_does_nothing_the_second_time():
    for stands, operation in product(STATES, OPERATIONS):
        first, standing = judge(stands, operation, NOW)
        again, repeated = judge(first, operation, NOW)
        assert again == first, (stands, operation)
        assert (repeated.state, repeated.began, repeated.owed) == (standing.state, standing.began, standing.owed)


@given(st.sampled_from(STATES), st.lists(st.sampled_from(OPERATIONS), max_size=6))
def test_what_was_handed_off_stays_so(stands, operations):
    done = False
    for operation in operations:
        stands, standing = judge(stands, operation, NOW)
        done = done or (isinstance(operation, End) and operation.record.state is State.DONE)
        if done:
            assert stands.state == Stands.DONE
            assert not standing.began


@given(st.none() | st.lists(st.integers(0, 10_000)).map(tuple))
def test_positions_are_read_as_they_were_written(owed):
    assert positions(text(owed)) == owed
