"""``mailroom organizations``: how each organisation's mail leaves. No command shows or takes a secret in the open."""

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from config.actors import OPERATOR
from config.choices import Summary
from config.process import Settings
from config.secrets import SecretBox
from config.smtp_form import SmtpForm
from config.trial_values import Trial
from consumer.cli import organizations_connect, organizations_limits, organizations_trial
from consumer.cli.organizations_shared import AsJson, Organization, Yes, announce, as_typed, refuse_invalid_id
from consumer.cli.organizations_shown import (
    LIST_COLUMNS,
    list_row,
    plain_change,
    plain_held,
    plain_summary,
    plain_trial,
    print_history,
    print_summary,
    print_table,
    unconfigured,
)
from consumer.cli.streams import confirm, password
from transports.smtp.settings import Security

if TYPE_CHECKING:
    from config.held_back import HeldBack
    from config.history import Change

organizations_app = typer.Typer(no_args_is_help=True, help="How each organisation's mail leaves.")


@organizations_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the organisations that have a transport of their own; all others use the platform default."""
    found = asyncio.run(_summaries(Settings.load()))
    if as_json:
        typer.echo(json.dumps([plain_summary(summary) for summary in found], indent=2, ensure_ascii=False))
        return
    print_table(LIST_COLUMNS, map(list_row, found))


@organizations_app.command()
def show(organization: Organization, as_json: AsJson = False) -> None:
    """Show how an organisation's mail leaves and how its last test ended; a password is only said to be set."""
    refuse_invalid_id(organization)
    summary, latest, held = asyncio.run(_describe(Settings.load(), organization))
    if as_json:
        shown = plain_summary(summary) if summary else unconfigured(organization)
        shown["last_test"] = plain_trial(latest) if latest else None
        shown["held_back"] = plain_held(held) if held else None
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    elif summary is None:
        typer.echo(f"{organization}: nothing configured; its mail leaves by the platform default")
    else:
        print_summary(summary, latest, held)


@organizations_app.command()
def history(
    organization: Organization,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many changes, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who changed which of an organisation's settings, newest first; values of secrets are not kept."""
    refuse_invalid_id(organization)
    changes = asyncio.run(_history(Settings.load(), organization, limit))
    if as_json:
        typer.echo(json.dumps([plain_change(change) for change in changes], indent=2, ensure_ascii=False))
        return
    print_history(changes)


organizations_app.command()(organizations_limits.limits)
organizations_app.command("test")(organizations_trial.try_settings)
organizations_app.command("connect")(organizations_connect.connect)


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
    with as_typed():
        version = asyncio.run(_configure(settings, organization, form))
    typer.echo(f"{organization}: mail leaves through {host} as {sender} from now on (version {version})")
    if form.port == 25:
        typer.echo("Port 25 is meant for servers among themselves; 587 or 465 is what most providers want.", err=True)
    announce(settings, organization, version)


@organizations_app.command()
def disconnect(organization: Organization, yes: Yes = False) -> None:
    """Return an organisation to the platform default and forget its server and password, or its account.

    The consent to a connected account is taken back at its provider by a running `mailroom run` or `mailroom web`.
    """
    refuse_invalid_id(organization)
    if not yes:
        confirm(f"Mail of {organization} will leave from the platform's own address again. Go on?")
    settings = Settings.load()
    version = asyncio.run(_disconnect(settings, organization))
    typer.echo(f"{organization}: back to the platform default (version {version})")
    announce(settings, organization, version)


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def _summaries(settings: Settings) -> list[Summary]:
    from consumer.cli.opening import opened_organizations

    async with opened_organizations(settings) as organizations:
        return [summary async for summary in organizations.summaries()]


async def _describe(settings: Settings, organization: str) -> "tuple[Summary | None, Trial | None, HeldBack | None]":
    from config.held_back import HeldBackReading
    from config.trials import Trials
    from consumer.cli.opening import opened_store, organizations_of

    async with opened_store(settings) as store:
        summary = await organizations_of(settings, store).describe(organization)
        latest = await Trials(store, now=_utc_now).latest(organization)
        reading = HeldBackReading(store, now=_utc_now)
        return summary, latest, await reading.of(organization, summary.endpoint) if summary else None


async def _history(settings: Settings, organization: str, limit: int) -> "tuple[Change, ...]":
    from config.history import History
    from consumer.cli.opening import opened_store

    async with opened_store(settings) as store:
        return await History(store).of(organization, limit=limit)


async def _configure(settings: Settings, organization: str, form: SmtpForm) -> int:
    from config.store_keyring import open_keyring
    from consumer.cli.opening import opened_organizations, opened_store

    if form.password:
        # A password sealed with a key that is not this database's could never be read by the consumer.
        async with opened_store(settings) as store:
            await open_keyring(store, SecretBox(settings.secret_keys))
    async with opened_organizations(settings) as organizations:
        return await organizations.configure_smtp(organization, form, actor=OPERATOR)


async def _disconnect(settings: Settings, organization: str) -> int:
    from consumer.cli.opening import opened_organizations

    async with opened_organizations(settings) as organizations:
        return await organizations.disconnect(organization, actor=OPERATOR)
