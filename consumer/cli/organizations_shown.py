"""How organisations, their tests and the history of their settings are printed: for people, for scripts, as JSON.

For people a table on a terminal; into a pipe the same cells, separated by tabs and without decoration.
"""

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.actors import Actor, ActorKind
from config.choices import Status, Summary
from config.oauth.values import Method, Way
from config.trial_values import Trial, TrialState
from consumer.cli import limits_shown

if TYPE_CHECKING:
    from config.held_back import HeldBack
    from config.history import Change, FieldChange

_STYLES: Final = {Status.VERIFIED: "green", Status.CONNECTED: "yellow", Status.NEEDS_ATTENTION: "red"}
_WORDS: Final = {
    Status.NOT_CONFIGURED: "not configured",
    Status.CONNECTED: "connected, not yet verified",
    Status.VERIFIED: "verified",
    Status.NEEDS_ATTENTION: "needs attention",
}
_METHODS: Final = {Method.PERSON: "by a person’s consent", Method.APP: "by an app of its own"}
_WAYS: Final = {Way.API: "the provider’s API", Way.SMTP: "the provider’s SMTP server"}


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Rows under their columns, or lines of cells with tabs where nobody looks."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(str(cell) for cell in row))
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    Console(highlight=False).print(table)


def list_row(summary: Summary) -> tuple[str | Text, ...]:
    """An organisation in a list; the columns are :data:`LIST_COLUMNS`."""
    status = Text(state(summary), style=_STYLES.get(summary.status, ""))
    return (
        summary.organization,
        summary.kind,
        _place(summary),
        sender(summary),
        status,
        moment(summary.verified_at),
        limits_shown.chosen(summary.limits),
    )


LIST_COLUMNS: Final = ("organisation", "transport", "server or account", "sender", "status", "verified", "own limits")


def print_summary(summary: Summary, latest: Trial | None, held: "HeldBack | None") -> None:
    """Everything about one organisation."""
    rows = {
        "organisation": summary.organization,
        "transport": summary.kind,
        **(_account(summary) if summary.grant_id else _server(summary)),
        "sender": sender(summary),
        "status": state(summary),
        **({"held back": _held(held)} if held else {}),
        "verified": moment(summary.verified_at) or "no",
        "limits": limits_shown.line(summary.limits) if summary.limits else "-",
        "last test": _outcome(latest) if latest else "none",
        "version": str(summary.version),
    }
    for name, value in rows.items():
        typer.echo(f"{name + ':':<14}{value}")


def state(summary: Summary) -> str:
    """The status in words, with the reason and the time where the organisation needs attention."""
    words = _WORDS[summary.status]
    if summary.status is not Status.NEEDS_ATTENTION:
        return words
    since = f" since {moment(summary.suspended_at)}" if summary.suspended_at else ""
    return f"{words}: {summary.suspended_code}{since}"


def sender(summary: Summary) -> str:
    """Name and address."""
    return f"{summary.sender.name} <{summary.sender.address}>"


def moment(when: datetime | None) -> str:
    """A time to the minute; empty for none."""
    return f"{when:%Y-%m-%d %H:%M} UTC" if when else ""


def print_history(changes: Sequence["Change"]) -> None:
    """Changes, each with what was before and after."""
    rows = [
        (moment(change.at), str(change.action), _person(change.actor), "; ".join(map(_field, change.fields)))
        for change in changes
    ]
    print_table(("when", "what", "who", "fields"), rows)


def plain_summary(summary: Summary) -> dict[str, Any]:
    """An organisation as JSON."""
    plain = _plain(dataclasses.asdict(summary))
    plain["transport"] = plain.pop("kind")
    account = {
        name: plain.pop(field)
        for name, field in (("email", "account_email"), ("name", "account_name"), ("method", "method"), ("way", "way"))
    }
    plain["account"] = account if plain.pop("grant_id") else None
    plain["sender"] = {"address": summary.sender.address, "alias": summary.sender.name}
    plain["status"] = str(summary.status)
    del plain["endpoint"]
    plain["limits"] = limits_shown.plain(summary.limits) if summary.limits else None
    return plain


def unconfigured(organization: str) -> dict[str, Any]:
    """An organisation that the platform default serves, as JSON."""
    return {"organization": organization, "transport": None, "status": str(Status.NOT_CONFIGURED)}


def plain_trial(trial: Trial) -> dict[str, Any]:
    """A test as JSON, without the person who asked for it."""
    plain = _plain(dataclasses.asdict(trial))
    del plain["actor"]
    plain["stages"] = [{**dataclasses.asdict(stage), "facts": dict(stage.facts)} for stage in trial.stages]
    return plain


def plain_held(held: "HeldBack") -> dict[str, Any]:
    """Delivery that is held back, as JSON."""
    return _plain(dataclasses.asdict(held))


def plain_change(change: "Change") -> dict[str, Any]:
    """A change as JSON."""
    return {
        "id": change.id,
        "at": change.at.isoformat(),
        "action": str(change.action),
        "actor": dataclasses.asdict(change.actor),
        "fields": [dataclasses.asdict(field) for field in change.fields],
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _place(summary: Summary) -> str:
    if summary.grant_id:
        return summary.account_email
    return f"{summary.host}:{summary.port}" if summary.host else ""


def _server(summary: Summary) -> dict[str, str]:
    return {
        "server": f"{_place(summary)} ({summary.security})" if summary.host else "-",
        "user name": summary.username or "-",
        "password": "set" if summary.password_set else "not set",
    }


def _account(summary: Summary) -> dict[str, str]:
    name = f" ({summary.account_name})" if summary.account_name else ""
    return {
        "account": f"{summary.account_email or '-'}{name}",
        "connected": _METHODS[summary.method] if summary.method else "-",
        "sends by": _WAYS[summary.way] if summary.way else "-",
    }


def _outcome(trial: Trial) -> str:
    failed = next((stage for stage in trial.stages if not stage.ok), None)
    reason = f" at {failed.name}: {failed.code}" if failed else f": {trial.problem}" if trial.problem else ""
    confirmed = ", its mail was confirmed" if trial.confirmed_at else ""
    ended = "" if trial.state is TrialState.RUNNING else moment(trial.ended_at or trial.began_at)
    return f"{trial.state}{reason}{confirmed} ({trial.subject} settings, {ended or moment(trial.began_at)})"


def _held(held: "HeldBack") -> str:
    return f"since {moment(held.since)}: {held.reason}, next try at {moment(held.next_try)}"


def _person(actor: Actor) -> str:
    if actor.kind is ActorKind.OPERATOR:
        return "operator"
    return f"{actor.name} <{actor.email}>" if actor.name else actor.email


def _field(change: "FieldChange") -> str:
    if change.old is None and change.new is None:
        return f"{change.name} changed"
    return f"{change.name}: {change.old or '-'} → {change.new or '-'}"
