"""Checks of everything a consumer depends on, each with what was found and what to do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from config import outgoing
from config.errors import ConfigError, SchemaOutdated, WrongSecretKey
from config.process import Settings
from config.secrets import SecretBox
from config.store import Store, sqlite_file
from config.store_keyring import check_keyring
from consumer import doctor_providers
from consumer.app import platform_default
from consumer.doctor_check import Check
from consumer.topology import GIVE_NUMBER, BrokerUnavailable, Report, check_topology
from transports.errors import Code
from transports.protocol import Probe

_CHECK_SECONDS = 30.0
_CLOCK_TOLERANCE = 5.0

_DATABASE = "check MAILROOM_DATABASE_URL, and that the database is up and lets this machine in"
_NO_KEY = "write the output of `mailroom keys generate` into MAILROOM_SECRET_KEYS"
_TOPOLOGY = "run `mailroom topology apply`; what exists with other arguments must be drained and deleted first"
_CONNECT = "check host and port in MAILROOM_DEFAULT_SMTP_URL, and that the network lets this machine out"
_ADVICE = {
    Code.NAME_NOT_FOUND: "check the host name in MAILROOM_DEFAULT_SMTP_URL and the machine's DNS",
    Code.CONNECT_FAILED: _CONNECT,
    Code.CONNECT_TIMEOUT: _CONNECT,
    Code.TLS_NOT_OFFERED: "use security=tls with port 465, or another server; security=none only on your own network",
    Code.TLS_FAILED: "check that security fits the port: 587 is starttls, 465 is tls",
    Code.CERTIFICATE_INVALID: "name the certificate authority of the server in MAILROOM_TLS_CA_FILE",
    Code.CERTIFICATE_SELF_SIGNED: "name the server's certificate or its authority's in MAILROOM_TLS_CA_FILE",
    Code.CERTIFICATE_EXPIRED: "the server needs a new certificate",
    Code.CERTIFICATE_NAME_MISMATCH: "use the host name that the server's certificate is made out to",
    Code.SIGN_IN_REFUSED: "check user name and password in MAILROOM_DEFAULT_SMTP_URL",
    Code.SIGN_IN_REQUIRED: "give a user name and password in MAILROOM_DEFAULT_SMTP_URL",
    Code.SENDER_REFUSED: "the server does not let this account send as MAILROOM_DEFAULT_SENDER",
}


async def examine(
    settings: Settings, *, now: datetime | None = None, look_at_broker: Callable[..., Report] = check_topology
) -> AsyncIterator[Check]:
    """Goes through all checks in the order a start would, and goes on after a failure. Never raises for a finding.

    Writes nothing: no database file is made, no schema changed, no key tied to a database, nothing declared.
    """
    if settings.unknown_variables:
        yield Check("variables", None, f"unknown: {', '.join(settings.unknown_variables)}", "is it a typing mistake?")
    async for check in _store_checks(settings, now or datetime.now(UTC)):
        yield check
    for check in await asyncio.to_thread(_broker_checks, settings, look_at_broker):
        yield check
    async for check in _default_checks(settings):
        yield check
    async for check in doctor_providers.examine(settings, outgoing.trust(settings), now or datetime.now(UTC)):
        yield check


async def _store_checks(settings: Settings, now: datetime) -> AsyncIterator[Check]:
    if not settings.secret_keys:
        yield Check("secret key", False, "not given", _NO_KEY)
    try:
        file = sqlite_file(settings.database_url)
        if file is not None and _is_to_be_made(file):
            yield Check("database", None, f"SQLite file {file} does not exist yet; `mailroom run` makes it")
            return
        store = await Store.look(settings.database_url)
    except SchemaOutdated as error:
        if file is not None and not error.newer:
            yield Check("database", None, f"SQLite file {file} has no or an older schema; `mailroom run` upgrades it")
        else:
            yield Check("database", False, str(error))  # which says what to do
        return
    except ConfigError as error:
        yield Check("database", False, str(error), _DATABASE)
        return
    try:
        yield Check("database", True, f"{store.dialect}, its schema fits this version")
        if settings.secret_keys:
            yield await _key_check(store, SecretBox(settings.secret_keys))
        ahead = (now - await store.clock()).total_seconds()
        exact = abs(ahead) <= _CLOCK_TOLERANCE
        found = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the database's clock"
        yield Check("clock", exact, found, "" if exact else "synchronise the clocks of both machines (NTP)")
    except ConfigError as error:
        yield Check("database", False, str(error), _DATABASE)
    finally:
        await store.close()


def _is_to_be_made(file: Path) -> bool:
    try:
        file.stat()
    except FileNotFoundError:
        return file.parent.is_dir()
    except OSError:  # opening it will tell
        return False
    return False


async def _key_check(store: Store, box: SecretBox) -> Check:
    try:
        tied = await check_keyring(store, box)
    except WrongSecretKey as error:
        return Check("secret key", False, str(error))
    if tied:
        return Check("secret key", True, "opens this database")
    return Check("secret key", None, "no key is tied to this database yet; `mailroom run` ties the first one of yours")


def _broker_checks(settings: Settings, look: Callable[..., Report]) -> list[Check]:
    checks: list[Check] = []
    partitions = settings.partitions
    try:
        report = look(settings.amqp_url, partitions, ca_file=settings.tls_ca_file)
        checks.append(Check("broker", True, "reachable, credentials accepted"))
        if report.partitions not in (None, partitions):
            # Compared with the number that is there, everything else that differs has another reason.
            found = f"the broker has {report.partitions} partitions and MAILROOM_PARTITIONS is {partitions}"
            checks.append(Check("topology", False, found, GIVE_NUMBER))
            partitions = report.partitions
            report = look(settings.amqp_url, partitions, ca_file=settings.tls_ca_file)
    except BrokerUnavailable as error:
        return [*checks, Check("broker", False, str(error), "check MAILROOM_AMQP_URL and that the broker is up")]
    checks.extend(Check("topology", False, str(difference), _TOPOLOGY) for difference in report.differences)
    if all(check.ok for check in checks):
        checks.append(Check("topology", True, _compared(report, partitions)))
    return checks


def _compared(report: Report, partitions: int) -> str:
    kinds = {"arguments": report.arguments_verified, "bindings": report.bindings_verified}
    missed = " and ".join(kind for kind, verified in kinds.items() if not verified)
    found = f"all queues and exchanges exist, {partitions} partitions"
    return f"{found}; {missed} were not compared" if missed else found


async def _default_checks(settings: Settings) -> AsyncIterator[Check]:
    default = platform_default(settings)
    if default is None:
        advice = "without MAILROOM_DEFAULT_SMTP_URL and MAILROOM_DEFAULT_SENDER organisations without a transport wait"
        yield Check("default smtp", None, "not configured", advice)
        return
    transport = outgoing.for_platform(settings)(default.smtp)
    try:
        for stage in await transport.check(_CHECK_SECONDS, probe=Probe(default.sender.address)):
            found = f"{stage.seconds * 1000:.0f} ms" if stage.ok else f"{stage.code} {stage.detail}".strip()
            advice = "" if stage.code is None else _ADVICE.get(stage.code, "see the relay's own log")
            yield Check(f"default smtp: {stage.name}", stage.ok, found, advice)
    finally:
        await transport.aclose()
