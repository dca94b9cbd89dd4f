"""``make demo`` and ``make run``: the main job once, with real parts, checked; or the same, staying up.

``python -m deploy.local.demo [--stay] [--json]``. A private broker (or the one of MAILROOM_AMQP_URL), mail servers
with TLS and sign-in, stand-ins for Microsoft 365 and Google, the real commands; sample events of five organisations.
Exit code 0 only if every event became what it should, 1 if not or if something is missing; nothing is left running.
"""

import argparse
import contextlib
import json
import queue
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from pika.exceptions import AMQPError
from rich.console import Console
from rich.markup import escape

from deploy.local import demo_report
from deploy.local.broker_for_use import VARIABLE
from deploy.local.demo_broker import BrokerUnsuitable
from deploy.local.demo_commands import CommandFailed
from deploy.local.demo_run import perform
from deploy.local.demo_stage import Say, staged
from deploy.local.demo_stay import stay
from deploy.local.installation import ServerMissing
from deploy.local.management import ManagementError
from deploy.local.node import NodeFailed
from deploy.local.places import CLONE
from deploy.local.ports import NoFreePorts
from deploy.local.sandbox_mail import Taken

_EXPECTED = (
    *(AMQPError, BrokerUnsuitable, CommandFailed, ManagementError, NodeFailed, NoFreePorts, OSError, ServerMissing),
)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody asked us to stop; not an error, so nothing catches it by accident."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stay", action="store_true", help="stay up until Ctrl-C (make run)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and progress on standard error")
    chosen = parser.parse_args(arguments)
    notes = demo_report.console(error=chosen.json)
    try:
        with _stoppable():
            return _demonstrate(notes, staying=chosen.stay, as_json=chosen.json)
    except Stopped as stopped:
        notes.print(f"stopped by {signal.Signals(stopped.number).name}; nothing is left running")
        return 128 + stopped.number
    except _EXPECTED as error:
        text = str(error) or type(error).__name__
        if isinstance(error, ServerMissing):
            text += f", or name a broker that runs elsewhere in {VARIABLE}"
        demo_report.console(error=True).print(f"[bold red]demo:[/bold red] {escape(text)}")
        if chosen.json:
            sys.stdout.write(json.dumps({"ok": False, "error": text}) + "\n")
        return 1


def _demonstrate(notes: Console, *, staying: bool, as_json: bool) -> int:
    began = time.monotonic()
    arrivals: queue.SimpleQueue[Taken] = queue.SimpleQueue()
    with staged(_teller(notes, began), arrivals.put) as stage:
        result = perform(stage, _teller(notes, began), stay=staying)
        if as_json:
            sys.stdout.write(demo_report.as_json(result, time.monotonic() - began) + "\n")
            sys.stdout.flush()
        else:
            demo_report.show(result, notes)
        if staying:
            # Ctrl-C is how staying ends, so it is no failure.
            with contextlib.suppress(Stopped):
                stay(stage, notes, arrivals)
            notes.print("draining …")
            stage.drain()
        else:
            notes.print(
                f"[dim]{time.monotonic() - began:.1f} s; mails and log are in {stage.folder.relative_to(CLONE)}[/dim]"
            )
    return 0 if result.good else 1


def _teller(notes: Console, began: float) -> Say:
    def say(what: str) -> None:
        notes.print(f"[dim]{time.monotonic() - began:5.1f} s[/dim]  {escape(what)} …")

    return say


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Turns the first signal into :class:`Stopped`; further ones do not disturb the tidying up."""

    def stop(number: int, _: FrameType | None) -> None:
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped(number)

    before = {one: signal.signal(one, stop) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


if __name__ == "__main__":
    sys.exit(main())
