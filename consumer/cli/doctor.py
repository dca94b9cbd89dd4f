"""``mailroom doctor``: is everything there that a consumer needs?"""

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from config import logs
from config.process import Settings

if TYPE_CHECKING:
    from consumer.doctor import Check

_MARKS = {True: "[green]ok[/green]  ", False: "[red]fail[/red]", None: "[dim]none[/dim]"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check broker, topology, database, key, clock and the default SMTP server, stage by stage."""
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
