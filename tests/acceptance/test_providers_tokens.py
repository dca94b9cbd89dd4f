"""One refresh for all: whatever many replicas ask for a token, and whatever dies between a refresh and its storing."""

import asyncio
import sqlite3
import subprocess
import sys
from collections import Counter

import pytest

from config.oauth.values import Provider
from config.testing import stores_in
from deploy.local.places import CLONE
from deploy.local.providers.base_values import Fault
from tests.acceptance import connected
from tests.acceptance.connected import Customer
from tests.running import command, environment
from tests.running_broker import an_event, parked_queues, publish, ready
from tests.waiting import eventually_blocking, remains

GRAPH = Customer("graph", Provider.MICROSOFT)
GMAIL = Customer("gmail", Provider.GOOGLE)
PROCESSES, SOURCES, ASKING = 4, 2, 25
REFRESH = "token:refresh_token"


@pytest.fixture
def boxes(tls):
    with connected.running(tls) as both:
        yield both


async def grants_in(folder, *organizations):
    """The grants that are in use, with their secrets."""
    async with stores_in(folder) as found:
        active = [await found.grants.active(organization) for organization in organizations]
        return [await found.grants.get(grant.id) for grant in active if grant is not None]


@pytest.mark.timeout(120)
def test_however_many_replicas_need_a_token_at_once_it_is_fetched_once_and_the_new_one_kept(
    vhost, tmp_path, boxes, launch
):
    """Processes that ask directly, since of an organisation's mails one replica at a time has them all."""
    before = connected.connect(tmp_path, boxes, GRAPH)
    (row,) = asyncio.run(grants_in(tmp_path, "graph"))
    variables = environment(vhost, tmp_path, **boxes.variables)
    arguments = [sys.executable, "-m", "tests.acceptance.asking", row.id, str(SOURCES), str(ASKING)]
    processes = [
        subprocess.Popen(
            arguments, env=variables | {"PYTHONPATH": "."}, cwd=CLONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        # Slow enough for everybody to come while it is under way.
        boxes.microsoft.fault("token", Fault.delay(1.0))
        answers = [process.communicate(b"go\n", 60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert boxes.microsoft.calls[REFRESH] == 1
    (after,) = asyncio.run(grants_in(tmp_path, "graph"))
    assert {line for answer in answers for line in answer.split()} == {after.access_token.reveal().encode()}
    assert sum(len(answer.split()) for answer in answers) == PROCESSES * SOURCES * ASKING
    assert after.refresh_token.reveal() != before["graph"], "the one that came with it"

    # The whole program: no further call, and none of 200 mails twice.
    boxes.microsoft.expire_access(GRAPH.account)
    with sqlite3.connect(tmp_path / "mailroom.db") as database:
        database.execute("UPDATE grants SET access_expires_at = '2020-01-01 00:00:00'")
    database.close()
    consumer = launch(vhost, **boxes.variables).start()
    publish(vhost, [an_event(number, "graph") for number in range(200)])
    eventually_blocking(lambda: len(boxes.microsoft.mails) == 200, 40, what="all have left")
    assert boxes.microsoft.calls[REFRESH] == 2
    assert set(Counter(connected.recipients(boxes.microsoft, GRAPH.account)).values()) == {1}
    assert consumer.metric("mailroom_token_refreshes", provider="microsoft", result="rotated") == 1


@pytest.mark.timeout(120)
def test_who_dies_between_a_refresh_and_its_storing_leaves_a_grant_that_recovers_or_asks_for_a_new_connection(
    vhost, tmp_path, boxes, launch
):
    both = (GRAPH, GMAIL)
    connected.connect(tmp_path, boxes, *both)
    consumer = launch(vhost, **boxes.variables).start()
    for customer in both:
        boxes.of(customer.provider).fault("token", Fault.accept_and_hang())
    publish(vhost, [an_event(number, customer.organization) for number, customer in enumerate(both)])
    eventually_blocking(lambda: all(boxes.of(one.provider).calls[REFRESH] == 1 for one in both), what="both ask")
    consumer.kill()
    # The lease of the dead process runs out after a minute, and a refusal is believed when it has had time to store
    # what it may have: both are made to have passed.
    with sqlite3.connect(tmp_path / "mailroom.db") as database:
        assert database.execute("UPDATE grants SET lease_holder = NULL, lease_until = NULL").rowcount == 2
    database.close()
    consumer.start()
    # Google's refresh token is still good. Microsoft's was replaced by one that nobody has.
    eventually_blocking(lambda: len(boxes.google.mails) == 1, what="it recovers")
    eventually_blocking(lambda: ready(vhost, parked_queues()) == 1, what="it asks for a new connection")
    assert (boxes.google.calls[REFRESH], boxes.microsoft.calls[REFRESH]) == (2, 3), "a refusal is confirmed once"
    publish(vhost, [an_event(10 + number, "graph") for number in range(5)])
    eventually_blocking(lambda: ready(vhost, parked_queues()) == 6, what="they wait as well")
    asyncio.run(remains(lambda: boxes.microsoft.calls[REFRESH] == 3, 1.0, what="it never loops"))
    shown = command(environment(vhost, tmp_path, **boxes.variables), "organizations", "show", "graph").stdout
    assert "needs attention: reconnection_needed" in shown

    connected.reconnect(tmp_path, boxes, GRAPH)
    eventually_blocking(lambda: len(boxes.microsoft.mails) == 6, 60, what="what was parked leaves")
    assert set(Counter(connected.recipients(boxes.microsoft, GRAPH.account)).values()) == {1}
