"""Changed settings hold on every replica for the next mail, whether or not it was told; what is under way ends as it
began, and the connections of the old settings go."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import ExitStack

import pytest

from config.testing import organizations_in, smtp_form
from consumer.notify import BrokerNotifier
from tests.fakes.smtpd import FakeSmtpd, Hold
from tests.running import clock, command, environment
from tests.running_broker import an_event, publish
from tests.waiting import eventually_blocking

ORGANIZATIONS = [f"org-{number}" for number in range(16)]
PASSWORD = "correct horse"
NOTICED = 2.0
"""Seconds within which a saved change is used by every replica."""


@pytest.fixture
def servers(tls):
    with ExitStack() as stack:
        yield [
            stack.enter_context(FakeSmtpd(tls=tls.server.server_context(), credentials=[("acme", PASSWORD)]))
            for _ in range(3)
        ]


@pytest.fixture
def replicas(vhost, tmp_path, sink, tls, servers, together):
    """Two that share the partitions: they start together when the queues are there already."""
    values = {
        "smtp_ports": ",".join(str(server.port) for server in servers),
        "allow_networks": "127.0.0.0/8,::1/128",
        "tls_ca_file": tls.ca_file,
    }
    command(environment(vhost, tmp_path, smtp_port=sink.port, **values), "topology", "apply")
    asyncio.run(save(tmp_path, servers[0]))
    return together(vhost, "first", "second", **values)


async def save(folder, server):
    """Straight into the database, as the settings page of another machine does; nobody is told."""
    form = smtp_form(host="localhost", port=server.port, username="acme")
    async with organizations_in(folder, **dict.fromkeys(ORGANIZATIONS, form)):
        pass


def events(turn):
    return [an_event(100 * turn + number, name) for number, name in enumerate(ORGANIZATIONS)]


def recipients(server):
    return Counter(mail.recipients[0] for mail in server.mails)


def owed(turn):
    return Counter(event["data"]["to"][0]["address"] for event in events(turn))


def shares(replicas):
    """Which organisations each replica has served."""
    return [{line["organization"] for line in replica.lines("handed off")} for replica in replicas]


def let_two_seconds_pass():
    saved = clock()
    eventually_blocking(lambda: clock() - saved >= NOTICED)


@pytest.mark.alone
@pytest.mark.timeout(90)
def test_every_replica_uses_changed_settings_for_the_next_mail_and_lets_running_sends_end(
    vhost, tmp_path, sink, servers, replicas
):
    old, told, untold = servers
    publish(vhost, events(1))
    eventually_blocking(lambda: recipients(old) == owed(1), 20, what="all have been served once")
    # The server has a mail a moment before the replica has it on record and says so.
    everybody = set(ORGANIZATIONS)
    eventually_blocking(lambda: set().union(*shares(replicas)) == everybody, what="all of them are told")
    served = shares(replicas)
    assert all(served), "both replicas have organisations"
    assert not served[0] & served[1]

    # One mail of each replica is being sent when the settings change.
    busy = [sorted(share)[0] for share in served]
    hold = Hold()
    old.script.on("BODY", hold)
    publish(vhost, [an_event(900 + number, name) for number, name in enumerate(busy)])
    eventually_blocking(lambda: old.commands.count("DATA") == len(ORGANIZATIONS) + 2, what="two are being sent")

    # Past the counter that version checks look at: only those who are told can know.
    with sqlite3.connect(tmp_path / "mailroom.db") as database:
        database.execute("UPDATE organizations SET port = ?, version = version + 1000", (told.port,))
    database.close()
    notifier = BrokerNotifier([vhost])
    assert all(notifier.notify(name, 0) for name in ORGANIZATIONS)
    let_two_seconds_pass()
    publish(vhost, events(2))
    eventually_blocking(lambda: recipients(told) == owed(2), what="the next mails of all went by the new server")
    eventually_blocking(lambda: old.open_connections == 2, what="only what is under way keeps its old connection")
    assert recipients(old) == owed(1)
    hold.release.set()
    ended = owed(1) + Counter({"e900@example.org": 1, "e901@example.org": 1})
    eventually_blocking(lambda: recipients(old) == ended, what="what was under way ended where it began")
    eventually_blocking(lambda: old.open_connections == 0, what="the old connections are closed")

    # The other way round: the counter alone.
    asyncio.run(save(tmp_path, untold))
    let_two_seconds_pass()
    publish(vhost, events(3))
    eventually_blocking(lambda: recipients(untold) == owed(3), what="the next mails of all went by the newest server")
    eventually_blocking(lambda: told.open_connections == 0, what="the connections before are closed")
    assert (recipients(old), recipients(told)) == (ended, owed(2)), "no mail went twice, or by another server"
    assert not sink.taken, "never by the platform's own server"
    eventually_blocking(lambda: sum(len(one.lines("handed off")) for one in replicas) >= 3 * len(ORGANIZATIONS))
    assert shares(replicas) == served
