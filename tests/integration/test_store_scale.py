"""A hundred thousand organisations in the store: a look-up stays a look-up, and what is kept of them is small."""

import gc
import tracemalloc
from typing import Any

import pytest
from sqlalchemy import event, text

from config.actors import Actor, ActorKind
from config.directory import Directory
from config.oauth.flows import Purpose
from config.oauth.values import Begun, Provider, Way
from config.secrets import Secret
from config.sessions import Identity, Role
from config.testing import candidate_grant, provider_form, smtp_form, stores_in, token_set
from config.trial_values import TrialState, TrialSubject
from tests.builders import NOON
from transports.errors import Code

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "ada@acme.example")
MANY = 100_000
FILL = f"""
    INSERT INTO organizations (organization, kind, host, port, security, sender_address, sender_alias, version, changed)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})
    SELECT 'org-' || i, 'smtp', 'mail.example.org', 587, 'starttls', 'a@example.org', 'Example', i, i FROM n
"""


@pytest.fixture
async def stores(tmp_path):
    async with stores_in(tmp_path) as found:
        yield found


async def _everything(stores):
    """Each thing that is done for one organisation, at least once."""
    organizations, trials, sessions = stores.organizations, stores.trials, stores.sessions
    version = await organizations.configure_smtp("acme", smtp_form(), actor=ADA, expected=0)
    await organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, None)
    await organizations.suspended()
    await organizations.recover("acme", version)
    await organizations.get("acme")
    await organizations.describe("acme")
    assert [summary.organization async for summary in organizations.summaries()] == ["acme"]
    await organizations.changes_since(0)
    await stores.drafts.save("acme", smtp_form(), ADA)
    await organizations.smtp_candidate("acme", smtp_form(password=None))
    subject: Any = {"subject": TrialSubject.ACTIVE, "kind": "smtp", "server": "s:587", "sender": "a@b.example"}
    for code in ("AAAAAAAAAA", "0123456789"):
        trial = await trials.begin("acme", ADA, **subject, code=code)
        await trials.finish(trial.id, TrialState.PASSED, version=version)
    await trials.get("acme", trial.id)
    await trials.latest("acme")
    await trials.confirm("acme", "9999999999", ADA)
    assert await trials.confirm("acme", "0123456789", ADA)
    await stores.history.of("acme")
    await stores.history.of("acme", before=10)
    token, _ = await sessions.open(Identity("acme", Role.ADMIN, "ada@acme.example", "Ada"))
    await sessions.get(token)
    await sessions.use_once("one", NOON)
    await sessions.close(token)
    await stores.drafts.discard("acme")
    await organizations.disconnect("acme")
    await organizations.delete("acme")
    await organizations.purge()


async def _everything_of_accounts(stores):
    """Each thing that is done for one connected account."""
    organizations, grants = stores.organizations, stores.grants
    first = await stores.connect()
    second = await candidate_grant(grants)
    await grants.candidate("acme")
    await grants.active("acme")
    await organizations.reconnect("acme", expected=(await organizations.get("acme")).version)
    form = provider_form(second)
    candidate = await organizations.provider_candidate("acme", form)
    await stores.drafts.save_provider("acme", form, candidate.kind, ADA)
    assert await grants.take_lease(second.id, 1, "here", 60)
    assert await grants.keep(second.id, 1, "here", token_set(), 3600)
    assert await grants.mark_dead(second.id, 2, "here", Code.RECONNECTION_NEEDED, "")
    await grants.release(second.id, "here")
    await grants.get(second.id)
    await grants.of(first.id)
    assert await grants.stale(0, 10) == ()
    await candidate_grant(grants, subject="grace")
    await grants.discard_candidate("acme")
    (revocation,) = await grants.to_revoke()
    await grants.revoke_failed(revocation.id)
    await grants.revoked(revocation.id)
    begun = Begun("https://login.example", "state", Secret("verifier"))
    await stores.flows.begin("acme", Provider.GOOGLE, Way.API, "session", begun, Purpose.CONNECT, ADA)
    assert await stores.flows.take("state", "session")


async def test_nothing_that_is_done_for_one_organisation_reads_through_a_table(stores):
    statements = set()

    def note(_connection, _cursor, statement, parameters, _context, _executemany):
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            statements.add((statement, len(parameters)))

    event.listen(stores.store._readers.sync_engine, "before_cursor_execute", note)
    await _everything_of_accounts(stores)
    await stores.organizations.delete("acme")
    await stores.organizations.purge()
    await _everything(stores)
    event.remove(stores.store._readers.sync_engine, "before_cursor_execute", note)
    assert len(statements) > 70
    slow = []
    async with stores.store.read() as connection:
        for statement, parameters in sorted(statements):
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (None,) * parameters)
            slow += [(step.detail, statement) for step in plan if step.detail.startswith("SCAN ")]
    # Its only row is the counter.
    assert [one for one in slow if one[0] != "SCAN settings_version"] == []


async def test_changes_of_organisations_that_were_never_served_take_no_memory(stores):
    served = await stores.organizations.configure_smtp("acme", smtp_form())
    directory: Any = Directory(stores.organizations, clock=lambda: 0.0)
    assert await directory.get("acme") is not None
    await directory.refresh()
    async with stores.store.write() as connection:
        await connection.execute(text(FILL))
        await connection.execute(text(f"UPDATE settings_version SET version = {MANY}"))
    gc.collect()
    tracemalloc.start()
    try:
        assert await directory.refresh() is None, "too many to be named"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    assert (await directory.get("acme")).version == served
    assert len(directory._entries) == 1
    assert await directory.refresh() == ()
    # Served ones are still told by name, and noticed in a crowd.
    await stores.organizations.configure_smtp("acme", smtp_form(sender_alias="New"))
    assert await directory.refresh() == ("acme",)
    assert (await directory.get("acme")).sender.name == "New"
    async with stores.store.write() as connection:
        await connection.execute(text("UPDATE settings_version SET version = 2 * version"))
        await connection.execute(
            text("UPDATE organizations SET changed = (SELECT version FROM settings_version), sender_alias = 'Crowd'")
        )
    assert await directory.refresh() is None
    assert (await directory.get("acme")).sender.name == "Crowd"


async def test_changes_that_nobody_asks_about_do_not_pile_up(stores):
    time = 0.0
    directory: Any = Directory(stores.organizations, clock=lambda: time, capacity=3)
    await directory.refresh()
    for number in range(5):
        await stores.organizations.configure_smtp(f"org-{number}", smtp_form())
        time += 11
        await directory.get("acme")
    assert await directory.refresh() is None
    assert await directory.refresh() == ()
