"""Limits hold exactly while replicas join and drain: not one mail too many at once, or in any span, at the server."""

import random
import time

import pytest

from tests.fakes.mailbox import Allowed, at_random
from tests.pacing import Fleet, backlog, configure, own_mailboxes, variables
from tests.running import command, environment
from tests.running_broker import publish
from tests.waiting import eventually_blocking

QUICK = {f"quick-{number}": Allowed(4, 30, 5.0) for number in range(3)}
"""As many in five seconds as a limit of 240 a minute gives, and what may be caught up of starts that were missed."""
PER_MINUTE = 240
SLOTS = ("slots-0", "slots-1", "slots-2")
"""Four mails at once, however many in a minute."""


@pytest.fixture
def mailboxes(tls):
    takes = at_random(random.Random(7), 0.2, 1.0)
    with own_mailboxes(tls.server.server_context(), QUICK, SLOTS, takes, PER_MINUTE) as own:
        yield own


@pytest.mark.versions
@pytest.mark.timeout(90)
def test_limits_hold_while_one_replica_joins_and_another_drains(vhost, tmp_path, tls, launch, mailboxes):
    given = variables(mailboxes, tls.ca_file)
    command(environment(vhost, tmp_path, **given), "topology", "apply")
    configure(tmp_path, mailboxes)
    with Fleet(lambda name: launch(vhost, name=name, **given)) as fleet:
        fleet.begin(1)
        for one in mailboxes:
            publish(vhost, backlog(one, 100))

        def least():
            return min(one.found(time.monotonic()).mails for one in mailboxes)

        eventually_blocking(lambda: least() >= 4, what="mails leave by all accounts")
        fleet.join()
        eventually_blocking(lambda: least() >= 12, what="and with two replicas")
        fleet.drain()
        eventually_blocking(lambda: least() >= 40, 60, what="and with the other one")
        until = time.monotonic()
        found = [one.found(until) for one in mailboxes]
    for one in found:
        print(one)
    assert not any(one.violations for one in found), found
    assert not any(one.twice for one in found), found
    paced = [one for one in found if one.organization.startswith("quick")]
    assert all(one.achieved >= 0.6 for one in paced), "a hand-over costs seconds, of which there are few here"
