"""Whose transport carries an event: a table, and no way round it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from config.choices import TransportSettings
from config.limits import Limits
from config.organizations import OrganizationSettings, Suspension, TransportKind
from consumer.outcome import Reason
from consumer.routing import Account, NoRoute, PlatformDefault, Route, choose
from tests.builders import NOON, SENDER
from transports.errors import Code
from transports.gmail.settings import GmailSettings
from transports.message import Mailbox
from transports.microsoft365.settings import Microsoft365Settings
from transports.smtp.settings import Security, SmtpSettings

RELAY = SmtpSettings("relay.platform.example", 25, Security.NONE)
DEFAULT = PlatformDefault(RELAY, Mailbox("no-reply@platform.example", "Platform"))
OWN = OrganizationSettings(
    "acme", 7, TransportKind.SMTP, SENDER, SmtpSettings("mail.acme.example", 587, Security.STARTTLS), None
)


MAILBOX = "anna.berg@acme.example"


def fingerprint(settings, kind=TransportKind.SMTP):
    return route_of(replace(OWN, account=settings, kind=kind)).fingerprint


def route_of(settings):
    route = choose(settings, DEFAULT, NOON)
    assert isinstance(route, Route)
    return route


def suspended(retry_at):
    return replace(OWN, suspension=Suspension(Code.SIGN_IN_REFUSED, NOON - timedelta(hours=2), retry_at))


def test_an_organization_that_configured_nothing_is_served_by_the_platform():
    route = route_of(None)
    assert (route.account.settings, route.sender, route.platform) == (RELAY, DEFAULT.sender, True)


def test_a_configured_organization_uses_its_own_server_and_sender_and_nothing_else():
    route = route_of(OWN)
    assert (route.account.settings, route.sender, route.platform) == (OWN.account, SENDER, False)
    assert (route.key, route.version) == ("acme", 7)


@pytest.mark.parametrize("retry_at", [None, NOON + timedelta(seconds=1)])
def test_a_suspended_account_has_no_route_and_never_the_platforms(retry_at):
    route = choose(suspended(retry_at), DEFAULT, NOON)
    assert route == NoRoute(Code.SIGN_IN_REFUSED, "smtp", platform=False)


def test_a_suspended_account_is_tried_again_when_its_time_has_come():
    route = route_of(suspended(NOON))
    assert route.suspended
    assert not route.platform


ACCOUNTS: dict[TransportKind, TransportSettings] = {
    TransportKind.SMTP: SmtpSettings("mail.acme.example", 587, Security.STARTTLS),
    TransportKind.MICROSOFT365: Microsoft365Settings("grant", "notify@acme.example"),
    TransportKind.GMAIL: GmailSettings("grant", "notify@acme.example"),
}


@pytest.mark.parametrize("kind", TransportKind)
def test_whatever_kind_of_account_is_chosen_is_the_only_way_out(kind):
    route = route_of(replace(OWN, kind=kind, account=ACCOUNTS[kind]))
    assert (route.transport, route.account, route.platform) == (kind.value, Account(ACCOUNTS[kind], False), False)


def test_a_providers_smtp_server_is_one_more_account_of_its_kind():
    by_smtp = SmtpSettings("smtp.office.example", 587, Security.STARTTLS, "notify@acme.example", grant="grant")
    route = route_of(replace(OWN, kind=TransportKind.MICROSOFT365, account=by_smtp))
    assert (route.transport, route.account.settings) == ("microsoft365", by_smtp)


@pytest.mark.parametrize(
    ("settings", "endpoint"),
    [
        (SmtpSettings("Mail.Acme.Example.", 587, Security.STARTTLS), "mail.acme.example:587"),
        (SmtpSettings("2001:DB8::1", 465, Security.TLS), "2001:db8::1:465"),
        (ACCOUNTS[TransportKind.MICROSOFT365], "microsoft365"),
        (ACCOUNTS[TransportKind.GMAIL], "gmail"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_route_names_the_server_that_several_organizations_may_have_in_common(settings, endpoint):
    assert route_of(replace(OWN, account=settings)).endpoint == endpoint


def test_a_route_has_the_limits_of_its_account_and_the_default_those_of_the_platform():
    mine, ours = Limits(3, 30, 10_000), Limits(20, 600)
    assert route_of(replace(OWN, limits=mine)).limits == mine
    default = choose(None, replace(DEFAULT, limits=ours), NOON)
    assert isinstance(default, Route)
    assert (default.limits, default.endpoint) == (ours, "relay.platform.example:25")


def test_a_kind_this_version_does_not_know_has_no_route_and_never_the_platforms():
    route = choose(replace(OWN, account=None), DEFAULT, NOON)
    assert route == NoRoute(Reason.UNSUPPORTED_TRANSPORT, "smtp", platform=False)


def test_without_a_platform_default_there_is_no_route_and_it_is_our_fault():
    assert choose(None, None, NOON) == NoRoute(Code.PLATFORM_SETTINGS, "default", platform=True)


def test_an_account_is_told_from_another_one_without_naming_it():
    server = SmtpSettings("mail.acme.example", 587, Security.STARTTLS, "anna", "secret-one")
    gmail, graph = GmailSettings("grant-1", MAILBOX), Microsoft365Settings("grant-1", MAILBOX)
    unknown = Microsoft365Settings("grant-1", "")
    found = {
        fingerprint(server),
        fingerprint(replace(server, host="mail.other.example")),
        fingerprint(replace(server, username="bert")),
        fingerprint(gmail, TransportKind.GMAIL),
        fingerprint(replace(gmail, mailbox="bert@acme.example"), TransportKind.GMAIL),
        fingerprint(graph, TransportKind.MICROSOFT365),
        fingerprint(unknown, TransportKind.MICROSOFT365),
        fingerprint(replace(unknown, grant="grant-2"), TransportKind.MICROSOFT365),
        route_of(None).fingerprint,
    }
    assert len(found) == 9
    assert all(len(one) == 18 and int(one, 16) >= 0 for one in found)


def test_the_same_mailbox_with_another_password_or_consent_is_the_same_account():
    server = SmtpSettings("mail.acme.example", 587, Security.STARTTLS, "anna", "secret-one")
    gmail = GmailSettings("grant-1", MAILBOX)
    assert fingerprint(server) == fingerprint(replace(server, password="secret-two", max_connections=9))
    assert fingerprint(gmail, TransportKind.GMAIL) == fingerprint(replace(gmail, grant="2"), TransportKind.GMAIL)
