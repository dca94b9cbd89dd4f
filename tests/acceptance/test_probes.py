"""A server that lets nobody in is asked by one mail at a time, however many replicas and organisations wait for it."""

import itertools
from functools import partial

import pytest

from tests.fakes.mailbox import Allowed, Mailbox
from tests.pacing import Own, backlog, configure, variables
from tests.replica import QUICK_BREAKERS, program
from tests.running import clock, command, environment
from tests.running_broker import publish
from tests.waiting import eventually_blocking

SHARED = [f"shared-{number}" for number in range(8)]
ALONE = "alone"
EACH = 12
FIRST = QUICK_BREAKERS.first * (1 - QUICK_BREAKERS.jitter)
LONGEST = QUICK_BREAKERS.longest * (1 - QUICK_BREAKERS.jitter)
"""Seconds between the opening of a breaker and its first probe, at least."""
AWAY = b"421 4.4.2 Closing for maintenance"
WELL = b"220 mailbox.example ESMTP"


@pytest.fixture
def servers(tls):
    """One that many organisations use, which turns everybody away, and one of a single one, which hangs up."""
    context = tls.server.server_context()
    with Mailbox(context, Allowed(100, 1_000_000)) as many, Mailbox(context, Allowed(100, 1_000_000)) as single:
        many.greeting, single.greeting = AWAY, None
        yield many, single


def since(mailbox, moment):
    return [at for at in list(mailbox.counts.connections) if at > moment]


def asked_again(mailbox, moment):
    return len(since(mailbox, moment)) >= 3


def held(replica):
    """The organisations whose mail this replica holds back because their way is shut."""
    samples = replica.metrics().items()
    return {
        dict(labels)["organization"] for (name, labels), value in samples if name == "mailroom_breaker_open" and value
    }


def known(replicas):
    """Whether every replica knows that the shared server is away, and one of them the other."""
    found = [held(one) for one in replicas]
    return all(one & set(SHARED) for one in found) and any(ALONE in one for one in found)


@pytest.mark.timeout(120)
def test_one_probe_in_each_interval_over_all_replicas_and_then_everything_leaves(
    vhost, tmp_path, sink, tls, together, servers
):
    many, single = servers
    owners = [*(Own(name, many) for name in SHARED), Own(ALONE, single)]
    given = variables([owners[0], owners[-1]], tls.ca_file)
    command(environment(vhost, tmp_path, **given), "topology", "apply")
    configure(tmp_path, owners)
    replicas = together(vhost, "first", "second", program=program("quick-breakers"), **given)
    for one in owners:
        publish(vhost, backlog(one, EACH))
    eventually_blocking(lambda: known(replicas), what="both replicas know of both")
    opened = clock()
    for server in servers:
        eventually_blocking(partial(asked_again, server, opened), 40, what="it was asked thrice more")
        probes = since(server, opened)
        pauses = [after - before for before, after in itertools.pairwise(probes)]
        print([round(one - opened, 2) for one in probes], len(server.counts.connections))
        assert min(pauses) > FIRST, "two in one interval"
        assert all(later > min(1.15 * before, LONGEST) for before, later in itertools.pairwise(pauses)), pauses
    asked = sum(len(server.counts.connections) for server in servers)
    assert asked < len(owners) * EACH / 2, "most did not have to find out for themselves"

    many.greeting = single.greeting = WELL
    owed = sorted(f"{one.organization}-{number}@example.org" for one in owners for number in range(EACH))

    def arrived():
        mails = [*many.counts.mails, *single.counts.mails]
        return sorted(recipient for mail in mails for recipient in mail.recipients)

    eventually_blocking(lambda: len(arrived()) >= len(owed), 40, what="everything leaves by itself")
    assert arrived() == owed
    assert not sink.taken, "never by the platform's own server"
