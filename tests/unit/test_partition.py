"""Partitions: the formula of the contract, and the names on the broker."""

import hashlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import names
from consumer.partition import partition_of
from consumer.topology_entities import topology


@pytest.mark.parametrize(
    ("organization", "partitions", "partition"),
    [
        ("acme", 32, "17"),
        ("globex", 32, "29"),
        ("acme", 16, "01"),
        ("x", 1, "00"),
        ("initech", 100, "91"),
        ("ü", 32, "05"),
    ],
)
def test_the_assignment_never_changes(organization, partitions, partition):
    """Recorded values: if one of them fails, every platform that computes the header itself is wrong."""
    assert partition_of(organization, partitions) == partition


@given(st.text(min_size=1, max_size=128), st.integers(1, 100))
def test_the_formula_is_the_documented_one(organization, partitions):
    try:
        digest = hashlib.md5(organization.encode()).hexdigest()
    except UnicodeEncodeError:
        return
    assert partition_of(organization, partitions) == f"{int(digest[:8], 16) % partitions:02d}"


def test_organizations_spread_evenly():
    counts = Counter(partition_of(f"organization-{number}", 32) for number in range(3200))
    assert len(counts) == 32
    assert max(counts.values()) < 150


def test_no_partitions_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        partition_of("acme", 0)


@pytest.mark.parametrize("count", [0, 101])
def test_partition_names_have_two_digits_so_there_are_at_most_a_hundred(count):
    with pytest.raises(ValueError, match="1 to 100"):
        names.partitions(count)


def test_what_the_broker_wrote_is_not_republished():
    kept = {"organizationid": "acme", "mailroom-attempt": 2, "x-own": 1}
    theirs = {
        "x-death": [],
        "x-first-death-queue": "q",
        "x-last-death-reason": "r",
        "x-delivery-count": 3,
        "x-acquired-count": 1,
    }
    assert names.without_broker_headers(kept | theirs) == kept


def test_every_queue_that_dead_letters_does_so_at_least_once():
    queue: Any
    for queue in topology(32).queues:
        arguments = queue.queue_arguments
        assert arguments["x-queue-type"] == "quorum"
        assert arguments["x-delivery-limit"] > 0
        if "x-dead-letter-exchange" in arguments:
            assert arguments["x-dead-letter-strategy"] == "at-least-once"
            assert arguments["x-overflow"] == "reject-publish"


def test_dead_letter_targets_come_before_what_dead_letters_to_them():
    seen: set[str] = set()
    queue: Any
    for queue in topology(32).queues:
        target = queue.queue_arguments.get("x-dead-letter-exchange")
        if target:
            assert target in seen, f"nothing is bound to {target} yet when {queue.name} is declared"
        seen.add(queue.exchange.name)


def test_there_is_a_queue_for_every_tier_and_partition():
    queues = {queue.name for queue in topology(3).queues}
    assert queues == {
        *(f"mailroom.work.0{number}" for number in range(3)),
        *(f"mailroom.parked.0{number}" for number in range(3)),
        *(f"mailroom.wait.{seconds}" for seconds in (1, 5, 15, 60, 300, 900, 3600)),
        "mailroom.dead",
        "mailroom.unsorted",
    }
