"""``mailroom doctor``: is everything there that a consumer needs, or what do a sender's domain's records say?"""

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from config import logs
from config.languages import LANGUAGES
from config.process import Settings

if TYPE_CHECKING:
    from consumer.doctor_check import Check

_MARKS = {True: "[green]ok[/green]  ", False: "[red]fail[/red]", None: "[dim]none[/dim]"}


def doctor(
    domain: Annotated[
        str | None, typer.Option(help="Look only at the public records of this sender's domain: SPF, DKIM, DMARC, MX.")
    ] = None,
    selector: Annotated[
        list[str] | None, typer.Option(help="With --domain: a DKIM selector to look for; may be given several times.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="With --domain: the SMTP server that the SPF record has to cover.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help=f"With --domain: of the explanations, {' or '.join(LANGUAGES)}.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check broker, topology, database, key, clock and the default SMTP server, stage by stage.

    With --domain, check what a sender's domain publishes instead; that needs nothing but the DNS. The exit code is 1
    if anything is wrong or missing; warnings and what could not be looked up do not count.
    """
    if domain is not None:
        from consumer.cli.doctor_domain import show

        raise typer.Exit(show(domain, selector or [], server, language or LANGUAGES[0], as_json=as_json))
    for name, value in (("--selector", selector), ("--server", server), ("--language", language)):
        if value:
            raise typer.BadParameter("goes with --domain only", param_hint=name)
    settings = Settings.load()
    logs.configure("error", settings.log_format)
    checks = asyncio.run(_collect(settings, show=not as_json))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
    raise typer.Exit(1 if any(check.ok is False for check in checks) else 0)


async def _collect(settings: Settings, *, show: bool) -> "list[Check]":
    from consumer.doctor import examine

    console = Console(highlight=False, soft_wrap=True)
    checks: list[Check] = []
    async for check in examine(settings):
        checks.append(check)
        if show:
            console.print(f"{_MARKS[check.ok]} {check.name:<24} {escape(check.found)}")
            if check.advice:
                console.print(f"       → {escape(check.advice)}")
    return checks
