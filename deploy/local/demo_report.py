"""Shows a run of the demo to a person, or as JSON to a script."""

import json
from collections.abc import Mapping

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from deploy.local.demo_parts import GLOBEX
from deploy.local.demo_run import Result
from deploy.local.places import CLONE

_WIDTH = 150
_SHOWN_METRICS = {
    "mailroom_events_received_total": "category",
    "mailroom_handoffs_total": "transport",
    "mailroom_outcomes_total": "outcome",
    "mailroom_dead_letters_total": "reason",
}
_GOOD, _BAD = Text("✓", style="green"), Text("✗", style="bold red")


def console(*, error: bool = False) -> Console:
    """A console that is wide enough for the table when nobody's terminal sets the width."""
    made = Console(stderr=error, highlight=False)
    return made if made.is_terminal else Console(stderr=error, highlight=False, width=_WIDTH)


def show(result: Result, out: Console) -> None:
    """Prints the table, a few metrics, the way of one mail, and what must hold as a whole."""
    out.print(_table(result))
    for saved in result.saved:
        how = "connected and tested" if saved.organization.provider else "configured by Save and test"
        title = f"{saved.organization.id}, {how} on the settings page: "
        out.print(
            Text.assemble((title, "italic"), f"{saved.happened}; then {saved.connected}, then {saved.verified}\n")
        )
    for scene in result.revocations:
        title = f"{scene.organization.id}, consent taken back at {scene.organization.provider.capitalize()}: "
        out.print(Text.assemble((title, "italic"), f"{scene.happened}\n"))
    out.print(_metrics(result))
    out.print(_way(result))
    for check in result.checks:
        out.print(_BAD if check.problem else _GOOD, escape(check.what), f"[red]{escape(check.problem)}[/red]")
    if result.good:
        out.print(f"\n[green]All {len(result.rows)} events became what they should.[/green]")
        return
    out.print("\n[bold red]Not as expected:[/bold red]")
    for difference in result.differences:
        out.print(f"  • {escape(difference)}")


def as_json(result: Result, seconds: float) -> str:
    """The same for scripts."""
    return json.dumps(
        {
            "ok": result.good,
            "seconds": round(seconds, 1),
            "events": [
                {
                    "organization": row.sample.organization.id,
                    "way": row.sample.organization.way,
                    "type": row.sample.event["type"],
                    "what": row.sample.what,
                    "expected": row.expected,
                    "happened": [line.strip() for line in row.happened],
                    "ok": not row.problems,
                    "problems": row.problems,
                }
                for row in result.rows
            ],
            "saved": [
                {
                    "organization": saved.organization.id,
                    "state": saved.state,
                    "stages": {name: ok for name, ok, _ in saved.stages},
                    "status": [saved.connected, saved.verified],
                }
                for saved in result.saved
            ],
            "revocations": [
                {"organization": one.organization.id, "status": [one.waiting, one.afterwards], "seconds": one.seconds}
                for one in result.revocations
            ],
            "checks": [{"what": one.what, "ok": not one.problem, "problem": one.problem} for one in result.checks],
            "metrics": {name: result.metrics.by(name, label) for name, label in _SHOWN_METRICS.items()},
            "differences": result.differences,
        },
        indent=2,
        ensure_ascii=False,
    )


def _table(result: Result) -> Table:
    table = Table(title="What went where, and why", title_justify="left", show_lines=True, box=SIMPLE)
    table.add_column("organisation", no_wrap=True)
    table.add_column("event", max_width=40)
    table.add_column("expected", max_width=24)
    table.add_column("what happened", overflow="fold")
    table.add_column("", no_wrap=True)
    for row in result.rows:
        happened: list[Text] = [Text(line) for line in row.happened]
        happened += [Text(f"✗ {problem}", style="red") for problem in row.problems]
        sample = row.sample
        event = Text.assemble(sample.what, "\n", (str(sample.event["type"]), "dim"))
        mark = _BAD if row.problems else _GOOD
        organization = Text.assemble(sample.organization.id, "\n", (sample.organization.way, "dim"))
        table.add_row(organization, event, row.expected, Group(*happened), mark)
    return table


def _metrics(result: Result) -> Table:
    table = Table(title="From /metrics", title_justify="left", box=None, show_header=False)
    for name, label in _SHOWN_METRICS.items():
        table.add_row(name, Text(_pairs(result.metrics.by(name, label))))
    return table


def _pairs(values: Mapping[str, float]) -> str:
    return "  ".join(f"{label} {value:g}" for label, value in values.items() if label)


def _way(result: Result) -> Group:
    """How anybody sees from a received mail that it came by the organisation's own server and sender (R11)."""
    mail = next((one for one in result.mails if one.taken.server == GLOBEX.server), None)
    if mail is None:
        return Group()
    head = mail.taken.file.read_bytes().partition(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n")
    own = mail.taken.envelope.sender == GLOBEX.address
    lines = [Text(f"    {line}", style="dim") for line in head[:5]]
    sender = mail.reading.mailboxes("from")[0]
    verdict = f"  {'✓' if own else '✗'} came by {GLOBEX.id}'s server and account, as {sender[0]} <{sender[1]}>\n"
    title = f"\nVerify it from a received mail ({mail.taken.file.relative_to(CLONE)}):"
    return Group(Text(title, style="italic"), *lines, Text(verdict))
