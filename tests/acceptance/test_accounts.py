"""An organisation's account: refused with a reason, without a secret in the open, and mended without a restart."""

import asyncio
import sqlite3
from contextlib import ExitStack

import pytest

from config import store_migrations
from config.testing import organizations_in, smtp_form
from tests.fakes.smtpd import FakeSmtpd
from tests.running import clock, command, environment
from tests.running_broker import an_event, parked_queues, publish, ready
from tests.waiting import eventually_blocking
from transports.smtp.settings import Security

PASSWORD = "correct horse"


@pytest.fixture
def servers():
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(FakeSmtpd(**options))


@pytest.fixture
def connected(vhost, tmp_path, sink, tls, launch):
    """Starts a consumer that may reach the given fake servers; gives it and the variables for commands."""

    def start(*fakes, **settings):
        values = {
            "smtp_ports": ",".join(str(fake.port) for fake in fakes),
            "allow_networks": "127.0.0.0/8,::1/128",
            "tls_ca_file": tls.ca_file,
            **settings,
        }
        variables = environment(vhost, tmp_path, smtp_port=sink.port, **values)
        return launch(vhost, **values).start(), variables

    return start


def configure(variables, organization, fake, *, password=PASSWORD, security="starttls"):
    server = ["--host", "localhost", "--port", str(fake.port), "--security", security]
    sender = ["--sender", f"notify@{organization}.example", "--alias", organization]
    signing_in = ["--username", organization, "--password-stdin"]
    return command(
        variables, "organizations", "smtp", organization, *server, *sender, *signing_in, text=f"{password}\n"
    )


@pytest.mark.timeout(90)
def test_a_wrong_password_is_tried_once_and_its_events_wait_for_the_right_one(vhost, sink, tls, servers, connected):
    server = servers(tls=tls.server.server_context(), credentials=[("acme", PASSWORD)])
    consumer, variables = connected(server)
    configure(variables, "acme", server, password="wrong")
    events = [an_event(number, "acme") for number in range(30)]
    others = [an_event(100 + number, f"org-{number}") for number in range(30)]
    publish(vhost, [event for pair in zip(events, others, strict=True) for event in pair])
    eventually_blocking(lambda: ready(vhost, parked_queues()) == 30, 20, what="all its events are parked")
    eventually_blocking(lambda: len(sink.taken) == 30, what="the others are delivered")
    assert len(server.auth_attempts) == 1
    assert not server.mails
    shown = command(variables, "organizations", "show", "acme").stdout
    assert "sign_in_refused" in shown
    assert "wrong" not in shown
    assert consumer.metric("mailroom_outcomes", outcome="parked", reason="sign_in_refused") == 30

    configure(variables, "acme", server)
    eventually_blocking(lambda: len(server.mails) == 30, 15, what="the parked events are delivered")
    eventually_blocking(lambda: ready(vhost, parked_queues()) == 0)
    assert len({mail.recipients for mail in server.mails}) == 30
    assert all(mail.signed_in and mail.secure for mail in server.mails)
    assert len(sink.taken) == 30
    assert "connected, not yet verified" in command(variables, "organizations", "show", "acme").stdout
    # Neither a password nor a recipient is in any line of the log.
    assert PASSWORD not in consumer.text()
    assert "example.org" not in consumer.text()


@pytest.mark.timeout(60)
def test_what_was_mended_while_no_consumer_ran_is_let_go_soon_after_one_starts(vhost, sink, tls, servers, connected):
    server = servers(tls=tls.server.server_context(), credentials=[("acme", PASSWORD)])
    consumer, variables = connected(server)
    configure(variables, "acme", server, password="wrong")
    publish(vhost, (an_event(number, "acme") for number in range(3)))
    eventually_blocking(lambda: ready(vhost, parked_queues()) == 3, 20, what="its events are parked")
    assert consumer.stop() == 0
    configure(variables, "acme", server)
    consumer.start(ready=False)
    eventually_blocking(lambda: len(server.mails) == 3, 30, what="the parked events are delivered")
    assert not sink.taken


@pytest.mark.timeout(60)
def test_a_server_that_cannot_be_trusted_gets_no_credentials_and_a_reason_is_stored(
    vhost, sink, tls, servers, connected, tmp_path
):
    bad = {
        "plain": (servers(credentials=[("plain", PASSWORD)], auth_without_tls=True), "tls_not_offered"),
        "expired": (tls.expired, "certificate_expired"),
        "misnamed": (tls.wrong_name, "certificate_name_mismatch"),
        "selfmade": (tls.self_signed, "certificate_self_signed"),
        "unknown": (tls.unknown_ca, "certificate_invalid"),
    }
    fakes = {}
    for name, (what, _) in bad.items():
        fakes[name] = (
            what
            if isinstance(what, FakeSmtpd)
            else servers(tls=what.server_context(), implicit_tls=name == "expired", credentials=[(name, PASSWORD)])
        )
    consumer, variables = connected(*fakes.values())
    forms = {
        name: smtp_form(
            host="localhost",
            port=fake.port,
            security=Security.TLS if name == "expired" else Security.STARTTLS,
            username=name,
        )
        for name, fake in fakes.items()
    }
    asyncio.run(write(tmp_path, **forms))
    publish(vhost, (an_event(number, name) for number, name in enumerate(bad)))
    eventually_blocking(lambda: ready(vhost, parked_queues()) == len(bad), 20, what="all are parked")
    reasons = {line["organization"]: line["reason"] for line in consumer.lines("parked")}
    assert reasons == {name: code for name, (_, code) in bad.items()}
    listed = {line.split("\t")[0]: line for line in command(variables, "organizations", "list").stdout.splitlines()}
    assert listed.keys() == reasons.keys()
    assert all(code in listed[name] for name, code in reasons.items())
    for name, fake in fakes.items():
        assert fake.auth_attempts == [], name
        assert not fake.mails
    assert not sink.taken, "never by the platform's own server"
    assert consumer.running


@pytest.mark.timeout(60)
def test_a_change_holds_for_the_next_mail_after_two_seconds_even_if_nobody_was_told(
    vhost, sink, tls, servers, connected, tmp_path
):
    first = servers(tls=tls.server.server_context(), credentials=[("acme", PASSWORD)])
    second = servers(tls=tls.server.server_context(), credentials=[("acme", PASSWORD)])
    _, variables = connected(first, second)
    publish(vhost, [an_event(1, "acme")])
    eventually_blocking(lambda: len(sink.taken) == 1, what="nothing configured: by the platform's server")

    configure(variables, "acme", first)
    after_two_seconds(vhost, [an_event(2, "acme")])
    eventually_blocking(lambda: len(first.mails) == 1, what="by the server it has configured")

    # Straight into the database, so that no message tells of it.
    form = smtp_form(
        host="localhost", port=second.port, security=Security.STARTTLS, username="acme", sender_address="a@acme.example"
    )
    asyncio.run(write(tmp_path, acme=form))
    after_two_seconds(vhost, [an_event(3, "acme")])
    eventually_blocking(lambda: len(second.mails) == 1, what="by the new server, nobody having been told")
    assert second.mails[0].sender == "a@acme.example"

    command(variables, "organizations", "disconnect", "acme", "--yes")
    after_two_seconds(vhost, [an_event(4, "acme")])
    eventually_blocking(lambda: len(sink.taken) == 2, what="disconnected: by the platform's server again")
    assert (len(first.mails), len(second.mails)) == (1, 1)


def after_two_seconds(amqp_url, events):
    changed = clock()
    eventually_blocking(lambda: clock() - changed >= 2.0)
    publish(amqp_url, events)


async def write(folder, **forms):
    """Straight into the database: nobody is told."""
    async with organizations_in(folder, **forms):
        pass


@pytest.mark.timeout(60)
def test_settings_that_cannot_be_read_never_lead_to_the_platforms_server(
    vhost, sink, tls, servers, connected, tmp_path
):
    server = servers(tls=tls.server.server_context(), credentials=[("acme", PASSWORD)])
    _, variables = connected(server)
    configure(variables, "acme", server)
    with sqlite3.connect(tmp_path / "mailroom.db") as database:
        database.execute("UPDATE settings_version SET version = version + 1")
        database.execute(
            "UPDATE organizations SET password_sealed = 'v1:none:AAAA',"
            " changed = (SELECT version FROM settings_version) WHERE organization = 'acme'"
        )
    database.close()
    after_two_seconds(vhost, [an_event(1, "acme"), an_event(2, "other")])
    eventually_blocking(lambda: ready(vhost, parked_queues()) == 1, 20, what="it is parked")
    eventually_blocking(lambda: len(sink.taken) == 1, what="the other organisation's mail is sent")
    assert not server.mails
    # Saved anew, it goes by itself.
    configure(variables, "acme", server)
    eventually_blocking(lambda: len(server.mails) == 1, 15, what="the parked event is delivered")
    assert len(sink.taken) == 1


@pytest.mark.slow
@pytest.mark.timeout(110)
def test_nothing_is_sent_while_the_database_is_away_and_everything_after(
    vhost, sink, tls, servers, connected, postgres, postgres_url
):
    server = servers(tls=tls.server.server_context(), credentials=[("acme", PASSWORD)])
    store_migrations.upgrade(postgres_url)
    consumer, variables = connected(server, database_url=postgres_url)
    configure(variables, "acme", server)
    publish(vhost, [an_event(1, "acme"), an_event(2, "other")])
    eventually_blocking(lambda: len(server.mails) == len(sink.taken) == 1, 20, what="both ways work")
    postgres.stop()
    stopped = clock()
    try:
        eventually_blocking(lambda: consumer.metric("mailroom_store_available") == 0, 20)
        assert not consumer.ready()
        # What was read before may be used for ten seconds.
        eventually_blocking(lambda: clock() - stopped > 11, 15)
        publish(vhost, [an_event(3, "acme"), an_event(4, "other"), an_event(5, "never-seen")])
        eventually_blocking(
            lambda: consumer.metric("mailroom_outcomes", reason="store_unavailable") >= 3, 20, what="all are put off"
        )
        assert len(server.mails) == len(sink.taken) == 1
    finally:
        postgres.start()
    eventually_blocking(lambda: len(server.mails) == 2 and len(sink.taken) == 3, 60, what="all are sent")
    assert {mail.recipients[0] for mail in sink.taken} == {"e2@example.org", "e4@example.org", "e5@example.org"}
