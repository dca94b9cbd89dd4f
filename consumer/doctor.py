"""Checks of everything a consumer depends on, each with what was found and what to do."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from config.errors import ConfigError
from config.process import Settings
from config.secrets import SecretBox
from config.store import Store
from config.store_keyring import open_keyring
from consumer.app import platform_default, transport_factory
from consumer.routing import Account
from consumer.topology import BrokerUnavailable, check_topology
from transports.errors import Code
from transports.smtp.observer import SilentObserver

_CHECK_SECONDS = 30.0
_CLOCK_TOLERANCE = 5.0

_CONNECT = "check host and port in MAILROOM_DEFAULT_SMTP_URL, and that the network lets this machine out"
_ADVICE = {
    Code.NAME_NOT_FOUND: "check the host name in MAILROOM_DEFAULT_SMTP_URL and the machine's DNS",
    Code.CONNECT_FAILED: _CONNECT,
    Code.CONNECT_TIMEOUT: _CONNECT,
    Code.TLS_NOT_OFFERED: "use security=tls with port 465, or another server; security=none only on your own network",
    Code.TLS_FAILED: "check that security fits the port: 587 is starttls, 465 is tls",
    Code.CERTIFICATE_INVALID: "name the certificate authority of the server in MAILROOM_TLS_CA_FILE",
    Code.CERTIFICATE_EXPIRED: "the server needs a new certificate",
    Code.CERTIFICATE_NAME_MISMATCH: "use the host name that the server's certificate is made out to",
    Code.SIGN_IN_REFUSED: "check user name and password in MAILROOM_DEFAULT_SMTP_URL",
    Code.SIGN_IN_REQUIRED: "give a user name and password in MAILROOM_DEFAULT_SMTP_URL",
    Code.SENDER_REFUSED: "the server does not let this account send as MAILROOM_DEFAULT_SENDER",
}


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; ``ok`` is ``None`` when there was nothing to check."""

    name: str
    ok: bool | None
    found: str
    advice: str = ""


async def examine(settings: Settings, *, now: datetime | None = None) -> AsyncIterator[Check]:
    """Goes through all checks in the order a start would, and goes on after a failure. Never raises for a finding."""
    async for check in _store_checks(settings, now or datetime.now(UTC)):
        yield check
    for check in await asyncio.to_thread(_broker_checks, settings):
        yield check
    async for check in _default_checks(settings):
        yield check
    yield Check("microsoft 365 app", None, "not configured")
    yield Check("google app", None, "not configured")


async def _store_checks(settings: Settings, now: datetime) -> AsyncIterator[Check]:
    try:
        store = await Store.open(settings.database_url)
    except ConfigError as error:
        yield Check("database", False, str(error), "check MAILROOM_DATABASE_URL, or run `mailroom database upgrade`")
        return
    try:
        yield Check("database", True, f"{store.dialect}, its schema fits this version")
        try:
            await open_keyring(store, SecretBox(settings.secret_keys))
            yield Check("secret key", True, "opens this database")
        except ConfigError as error:
            yield Check("secret key", False, str(error))
        ahead = (now - await store.clock()).total_seconds()
        exact = abs(ahead) <= _CLOCK_TOLERANCE
        found = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the database's clock"
        yield Check("clock", exact, found, "" if exact else "synchronise the clocks of both machines (NTP)")
    except ConfigError as error:
        yield Check("database", False, str(error), "see whether the database is up")
    finally:
        await store.close()


def _broker_checks(settings: Settings) -> list[Check]:
    try:
        report = check_topology(settings.amqp_url, settings.partitions, ca_file=settings.tls_ca_file)
    except BrokerUnavailable as error:
        return [Check("broker", False, str(error), "check MAILROOM_AMQP_URL and that the broker is up")]
    checks = [Check("broker", True, "reachable, credentials accepted")]
    if not report.differences:
        return [*checks, Check("topology", True, f"complete, {settings.partitions} partitions")]
    advice = "run `mailroom topology apply`; what exists with other arguments must be drained and deleted first"
    return checks + [Check("topology", False, str(difference), advice) for difference in report.differences]


async def _default_checks(settings: Settings) -> AsyncIterator[Check]:
    default = platform_default(settings)
    if default is None:
        advice = "without MAILROOM_DEFAULT_SMTP_URL and MAILROOM_DEFAULT_SENDER organisations without a transport wait"
        yield Check("default smtp", None, "not configured", advice)
        return
    factory = transport_factory(settings, SilentObserver())
    transport = factory(Account(default.smtp, platform=True))
    try:
        for stage in await transport.check(_CHECK_SECONDS):
            found = f"{stage.seconds * 1000:.0f} ms" if stage.ok else f"{stage.code} {stage.detail}".strip()
            advice = "" if stage.code is None else _ADVICE.get(stage.code, "see the relay's own log")
            yield Check(f"default smtp: {stage.name}", stage.ok, found, advice)
    finally:
        await transport.aclose()
