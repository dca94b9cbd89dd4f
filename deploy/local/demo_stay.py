"""``make run`` after the sample events: says where things are, and shows each mail as it arrives."""

import contextlib
import json
import queue
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.markup import escape

from deploy.local.demo_checks import mails_of
from deploy.local.demo_parts import ACME, HOOLI, event, to
from deploy.local.demo_stage import Stage
from deploy.local.node import PrivateNode
from deploy.local.places import CLONE, LOCAL
from deploy.local.ports import LOOPBACK
from deploy.local.sandbox_mail import Taken

_THROTTLE = {"endpoint": "send", "kind": "throttle", "retry_after": 30}
_LOSE = {"endpoint": "send", "kind": "accept_and_cut"}
ENVIRONMENT = LOCAL / "run.env"


def stay(stage: Stage, notes: Console, arrivals: "queue.SimpleQueue[Taken]") -> None:
    """Stays until a signal ends it; ``arrivals`` gives the mails.

    Raises:
        CommandFailed: the consumer ended by itself.
    """
    with contextlib.suppress(queue.Empty):
        while True:  # those of the sample events are in the table
            arrivals.get_nowait()
    with _environment(stage) as file:
        _tell(stage, notes, file)
        while True:
            stage.require_running()
            with contextlib.suppress(queue.Empty):
                _show(arrivals.get(timeout=0.5), notes)


@contextlib.contextmanager
def _environment(stage: Stage) -> Iterator[Path]:
    """Writes the settings to a file for other shells; it holds secrets, and is gone afterwards.

    ``.local/run.env`` leads to it, unless it leads to that of another run that is still up.
    """
    file = stage.folder / "run.env"
    file.touch(mode=0o600)
    settings = stage.mailroom.settings.items()
    file.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings), encoding="utf-8")
    ours = not ENVIRONMENT.exists()
    if ours:
        ENVIRONMENT.unlink(missing_ok=True)
        ENVIRONMENT.symlink_to(file.relative_to(LOCAL))
    try:
        yield ENVIRONMENT if ours else file
    finally:
        file.unlink()
        if ours:
            ENVIRONMENT.unlink(missing_ok=True)


def _tell(stage: Stage, notes: Console, file: Path) -> None:
    example = stage.folder / "example.json"
    mail = to("jo@acme.example", "Jo")
    content = event(datetime.now(UTC), ACME, "task.example", to=mail, subject="An example", text="It works.")
    example.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    management = stage.broker.management_url
    # Only of our own node may the password be shown.
    mine = urlsplit(stage.url if isinstance(stage.broker, PrivateNode) else "")
    user, password = unquote(mine.username or ""), unquote(mine.password or "")
    rows = {
        "broker (AMQP)": stage.url if password else "the one of MAILROOM_AMQP_URL",
        "management page": f"{management}   user {user}, password {password}" if password else management,
        "settings page": f"{stage.platform.url}   (a stand-in for the platform: open it as administrator or viewer)",
        "metrics": f"http://{LOOPBACK}:{stage.metrics_port}/metrics   (also /livez, /readyz)",
        "received mails": f"{_shown(stage.sandbox.mails)}/",
        "logs": f"{_shown(stage.log)}   {_shown(stage.web_log)}",
        "settings": f"set -a; . {_shown(file)}; set +a",
        "then, for example": f".venv/bin/mailroom publish {_shown(example)}",
        "": ".venv/bin/mailroom organizations list   ·   .venv/bin/mailroom doctor",
    }
    if password:
        queues = f"{management}/api/queues?columns=name,messages"
        rows["queues"] = f"curl -s -u {user}:{password} '{queues}'"
    notes.print("\n[bold]Everything stays up until Ctrl-C.[/bold]")
    for name, value in rows.items():
        notes.print(f"  {name:<18} {escape(value)}", soft_wrap=True)
    _tell_providers(stage, notes)
    notes.print("\nMails as they arrive:")


def _tell_providers(stage: Stage, notes: Console) -> None:
    """Where the stand-ins of the providers are, whom one can choose there, and how to make trouble."""
    providers = stage.providers
    notes.print("\n[bold]Microsoft 365 and Google[/bold]: stand-ins, whose certificates this demo has issued")
    entra = f"{providers.microsoft.authority}/oauth2/v2.0/authorize"
    pages = {"Microsoft 365": entra, "Google": providers.google.auth_url}
    for name, page in pages.items():
        notes.print(f"  {name:<18} {page}   (opens from the settings page; one can choose:)", soft_wrap=True)
        for provider, address, remark in providers.people:
            if provider == name:
                notes.print(f"    {escape(address):<36} {remark}", soft_wrap=True)
    curl = f"curl --cacert {_shown(stage.ca_file)}"
    for what, url, path, given in (
        ("take a consent back", providers.google.control_url, "revoke", {"account": HOOLI.username}),
        ("throttle the next mail", providers.google.control_url, "fault", _THROTTLE),
        ("lose the next answer", providers.microsoft.control_url, "fault", _LOSE),
        ("let the app's secret expire", providers.microsoft.control_url, "expire_secret", {}),
        ("see how things stand", providers.microsoft.control_url, "state", None),
    ):
        data = f" -d '{json.dumps(given)}'" if given is not None else ""
        notes.print(f"  {what:<28} {escape(f'{curl}{data} {url}/{path}')}", soft_wrap=True)


def _show(taken: Taken, notes: Console) -> None:
    mail = mails_of([taken])[0]
    sender = "; ".join(f"{name} <{address}>" for name, address in mail.reading.mailboxes("from"))
    line = f"{taken.server} ({taken.envelope.tls}) for {', '.join(taken.envelope.recipients)}"
    words = f"{sender}: {mail.reading.words('subject')}"
    notes.print(f"  {escape(line)}\n    {escape(words)}\n    [dim]{_shown(taken.file)}[/dim]", soft_wrap=True)


def _shown(path: Path) -> str:
    return str(path.relative_to(CLONE))
