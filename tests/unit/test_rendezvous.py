"""Which replica prefers which partition."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from consumer import names, rendezvous

PARTITIONS = names.partitions(32)


def owners(replicas):
    return {p: max(replicas, key=lambda replica: rendezvous.weight(replica, p)) for p in PARTITIONS}


def test_weights_are_the_same_in_every_release():
    assert [rendezvous.weight("replica-a", p) for p in ("00", "01", "31")] == [655, 717, 810]


@given(st.text(max_size=20), st.sampled_from(PARTITIONS))
def test_every_weight_is_a_priority_the_broker_takes(replica, partition):
    assert 0 <= rendezvous.weight(replica, partition) <= rendezvous.TOP


def test_two_replicas_share_the_partitions_about_evenly():
    counts = [Counter(owners([f"a{n}", f"b{n}"]).values())[f"a{n}"] for n in range(50)]
    assert 13 <= sum(counts) / len(counts) <= 19


def test_a_newcomer_takes_partitions_only_for_itself():
    before, after = owners(["a", "b"]), owners(["a", "b", "c"])
    assert all(after[p] in (before[p], "c") for p in PARTITIONS)


@given(st.lists(st.integers(0, 99), max_size=4).map(tuple))
def test_any_server_version_gives_an_answer(version):
    assert 0 <= rendezvous.delay("a", "00", version) <= rendezvous.SPREAD


def test_replicas_wait_only_where_the_broker_ignores_priorities():
    assert rendezvous.delay("a", "00", (4, 0, 5)) == 0
    assert rendezvous.delay("a", "00", (3, 10, 8)) > 0
