"""``mailroom doctor --domain``: the report on a sender's domain for a terminal, or as JSON."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from config.addresses import host_name
from config.dns.checks import check_domain, selector_name
from config.dns.names import domain_name
from config.dns.report import DomainReport, Finding, State
from config.dns.resolver import Resolver
from config.dns.system import SystemResolver
from config.dns.texts import finding_text
from config.languages import LANGUAGES, Texts, texts

KINDS: Final = ("spf", "dkim", "dmarc", "mx")

_STYLES: Final = {
    State.OK: "green",
    State.WARNING: "yellow",
    State.PROBLEM: "red",
    State.MISSING: "red",
    State.UNKNOWN: "dim",
}
_INDENT: Final = 15


def show(
    domain: str,
    selectors: Sequence[str],
    server: str | None,
    language: str,
    *,
    as_json: bool,
    resolver: Resolver | None = None,
) -> int:
    """Checks the domain and prints the report; returns the exit code.

    Raises:
        typer.BadParameter: something given is not what it should be.
    """
    if language not in LANGUAGES:
        raise typer.BadParameter(f"write {' or '.join(LANGUAGES)}", param_hint="--language")
    for name, check, values in (
        ("--domain", domain_name, [domain]),
        ("--selector", selector_name, selectors),
        ("--server", host_name, [server] if server is not None else []),
    ):
        try:
            for value in values:
                check(value)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=name) from None
    report = asyncio.run(_checked(domain, selectors, server, resolver))
    if as_json:
        typer.echo(json.dumps(plain(report, texts(language)), indent=2, ensure_ascii=False))
    else:
        _print(report, texts(language), Console(highlight=False))
    return 0 if report.sound else 1


async def _checked(
    domain: str, selectors: Sequence[str], server: str | None, resolver: Resolver | None
) -> DomainReport:
    return await check_domain(
        domain, resolver=resolver or SystemResolver(), server=server, selectors=selectors, now=lambda: datetime.now(UTC)
    )


def plain(report: DomainReport, spoken: Texts) -> dict[str, Any]:
    """The report as values for JSON, its texts in the reader's language."""
    return {
        "domain": report.domain,
        "checked_at": report.checked_at.isoformat(timespec="seconds"),
        **{
            kind: {
                **_plain(finding, spoken),
                "records": list(finding.records),
                "notes": [_plain(note, spoken) for note in finding.notes],
            }
            for kind, finding in zip(KINDS, report.findings, strict=True)
        },
    }


def _plain(finding: Finding, spoken: Texts) -> dict[str, Any]:
    words = finding_text(finding)
    return {
        "state": str(finding.state),
        "code": str(finding.code),
        "params": dict(finding.params),
        "headline": spoken.sentence(words.headline),
        "meaning": spoken.sentence(words.meaning),
        "next_step": spoken.sentence(words.next_step),
    }


def _print(report: DomainReport, spoken: Texts, console: Console) -> None:
    console.print(Text(f"{report.domain}, {spoken.date(report.checked_at)}"))
    for kind, finding in zip(KINDS, report.findings, strict=True):
        console.print()
        _print_finding(finding, kind.upper(), spoken, console)
        for record in finding.records:
            console.print(Padding(Text(record, style="dim"), (0, 0, 0, _INDENT), expand=False))
        for note in finding.notes:
            _print_finding(note, "", spoken, console)


def _print_finding(finding: Finding, title: str, spoken: Texts, console: Console) -> None:
    words = finding_text(finding)
    line = Text.assemble((f"{finding.state:<8}", _STYLES[finding.state]), f" {title:<6}")
    console.print(line.append(spoken.sentence(words.headline), style="bold"))
    console.print(Padding(Text(spoken.sentence(words.meaning)), (0, 0, 0, _INDENT), expand=False))
    if words.next_step:
        console.print(Padding(Text(f"→ {spoken.sentence(words.next_step)}"), (0, 0, 0, _INDENT), expand=False))
