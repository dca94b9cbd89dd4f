"""``mailroom organizations``: how each organisation's mail leaves. No command shows or takes a secret in the open."""

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from config.choices import Summary, valid_organization_id
from config.errors import InvalidSettings
from config.notify import ChangeNotifier
from config.process import Settings
from config.secrets import SecretBox
from config.smtp_form import SmtpForm, refuse_guarded_address
from consumer.cli.streams import confirm, password
from transports.smtp.settings import Security

organizations_app = typer.Typer(no_args_is_help=True, help="How each organisation's mail leaves.")

Organization = Annotated[str, typer.Argument(metavar="ORG", help="The organisation's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_OPTIONS: Final = {
    "organization": "ORG",
    "sender_address": "--sender",
    "sender_alias": "--alias",
    "password": "--password-stdin",
    **{name: f"--{name}" for name in ("host", "port", "security", "username")},
}


@organizations_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the organisations that have a transport of their own; all others use the platform default."""
    found = asyncio.run(_summaries(Settings.load()))
    if as_json:
        typer.echo(json.dumps([_plain(summary) for summary in found], indent=2))
        return
    for summary in found:
        place = f"{summary.host}:{summary.port}" if summary.host else ""
        typer.echo("\t".join((summary.organization, summary.kind, place, _sender(summary), _state(summary))))


@organizations_app.command()
def show(organization: Organization, as_json: AsJson = False) -> None:
    """Show how an organisation's mail leaves; a password is only said to be set."""
    _refuse_invalid_id(organization)
    summary = asyncio.run(_describe(Settings.load(), organization))
    if as_json:
        typer.echo(
            json.dumps(_plain(summary) if summary else {"organization": organization, "transport": None}, indent=2)
        )
        return
    if summary is None:
        typer.echo(f"{organization}: nothing configured; its mail leaves by the platform default")
        return
    rows = {
        "organisation": summary.organization,
        "transport": summary.kind,
        "server": f"{summary.host}:{summary.port} ({summary.security})" if summary.host else "-",
        "user name": summary.username or "-",
        "password": "set" if summary.password_set else "not set",
        "sender": _sender(summary),
        "state": _state(summary),
        "version": str(summary.version),
    }
    for name, value in rows.items():
        typer.echo(f"{name + ':':<14}{value}")


@organizations_app.command()
def smtp(
    organization: Organization,
    host: Annotated[str, typer.Option(help="Name of the organisation's SMTP server.")],
    sender: Annotated[str, typer.Option(help="Address all its mail comes from.")],
    alias: Annotated[str, typer.Option(help="Name recipients see beside the address.")],
    security: Annotated[str, typer.Option(help="starttls or tls.")] = "starttls",
    port: Annotated[int | None, typer.Option(help="Default: 587 for starttls, 465 for tls.")] = None,
    username: Annotated[str | None, typer.Option(help="Name to sign in with, if the server asks for it.")] = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input; blank keeps the stored one."),
    ] = False,
) -> None:
    """Let all of an organisation's mail leave through its own SMTP server; replaces what was configured."""
    if security not in (Security.STARTTLS, Security.TLS):
        raise typer.BadParameter("write starttls or tls", param_hint="--security")
    chosen = Security(security)
    form = SmtpForm(
        host=host,
        port=port if port is not None else (465 if chosen is Security.TLS else 587),
        security=chosen,
        sender_address=sender,
        sender_alias=alias,
        username=username,
        password=password() if password_stdin else None,
    )
    settings = Settings.load()
    with _as_typed():
        refuse_guarded_address(host, form.port, allow_networks=settings.allow_networks)
        version = asyncio.run(_configure(settings, organization, form))
    typer.echo(f"{organization}: mail leaves through {host} as {sender} from now on (version {version})")
    if form.port == 25:
        typer.echo("Port 25 is meant for servers among themselves; 587 or 465 is what most providers want.", err=True)
    _announce(settings, organization, version)


@organizations_app.command()
def disconnect(organization: Organization, yes: Yes = False) -> None:
    """Return an organisation to the platform default and forget its server and password."""
    _refuse_invalid_id(organization)
    if not yes:
        confirm(f"Mail of {organization} will leave from the platform's own address again. Go on?")
    settings = Settings.load()
    version = asyncio.run(_disconnect(settings, organization))
    typer.echo(f"{organization}: back to the platform default (version {version})")
    _announce(settings, organization, version)


async def _summaries(settings: Settings) -> list[Summary]:
    from consumer.cli.opening import opened_organizations

    async with opened_organizations(settings) as organizations:
        return [summary async for summary in organizations.summaries()]


async def _describe(settings: Settings, organization: str) -> Summary | None:
    from consumer.cli.opening import opened_organizations

    async with opened_organizations(settings) as organizations:
        return await organizations.describe(organization)


async def _configure(settings: Settings, organization: str, form: SmtpForm) -> int:
    from config.store_keyring import open_keyring
    from consumer.cli.opening import opened_organizations, opened_store

    if form.password:
        # A password sealed with a key that is not this database's could never be read by the consumer.
        async with opened_store(settings) as store:
            await open_keyring(store, SecretBox(settings.secret_keys))
    async with opened_organizations(settings) as organizations:
        return await organizations.configure_smtp(organization, form)


async def _disconnect(settings: Settings, organization: str) -> int:
    from consumer.cli.opening import opened_organizations

    async with opened_organizations(settings) as organizations:
        return await organizations.disconnect(organization)


def _announce(settings: Settings, organization: str, version: int) -> None:
    from consumer.notify import BrokerNotifier

    notifier: ChangeNotifier = BrokerNotifier(settings.amqp_url, ca_file=settings.tls_ca_file)
    if not notifier.notify(organization, version):
        typer.echo("The broker could not be told; replicas will notice within 2 s.", err=True)


@contextmanager
def _as_typed() -> Iterator[None]:
    """Names the options of the command instead of the fields they fill."""
    try:
        yield
    except InvalidSettings as error:
        raise InvalidSettings((_OPTIONS.get(name, name), sentence) for name, sentence in error.problems) from None


def _refuse_invalid_id(organization: str) -> None:
    if not valid_organization_id(organization):
        raise InvalidSettings([("ORG", "must be 1 to 128 letters, digits or characters of . _ : -")])


def _sender(summary: Summary) -> str:
    return f"{summary.sender.name} <{summary.sender.address}>"


def _state(summary: Summary) -> str:
    if summary.suspended_code is None:
        return "in use"
    since = f" since {summary.suspended_at:%Y-%m-%d %H:%M} UTC" if summary.suspended_at else ""
    return f"needs attention: {summary.suspended_code}{since}"


def _plain(summary: Summary) -> dict[str, Any]:
    plain = dataclasses.asdict(summary)
    plain["transport"] = plain.pop("kind")
    plain["sender"] = {"address": summary.sender.address, "alias": summary.sender.name}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in plain.items()}
