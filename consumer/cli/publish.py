"""``mailroom publish``: events from files or standard input onto the broker, with confirms and a count."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from config.process import Settings
from consumer.cli.event_files import EventFiles
from consumer.cli.streams import refuse
from consumer.events import InvalidEvent
from consumer.publisher import Published, Publisher, PublishUnavailable, Unroutable

_SHOWN: Final = 20


def _finite(value: float) -> float:
    if math.isnan(value):
        raise typer.BadParameter("write a number of seconds")
    return value


def publish(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="One JSON event, or one event per line; - is standard input.")
    ],
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, callback=_finite, help="Seconds to wait for the broker, for one event.")
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Publish events and wait until the broker has them on disk.

    Every event is checked against the contract first. Exit code 1 if one was invalid or not accepted, 2 if a file
    cannot be read. When the broker goes away, the first event that was not confirmed is named: publish again from
    there, what has arrived already is taken for a duplicate.
    """
    settings = Settings.load()
    counts = _Counts()
    source = EventFiles(files, counts.problem)
    problems = source.problems()
    if problems:
        refuse("\n".join(problems))
    publisher = Publisher(
        settings.amqp_url,
        partitions=settings.partitions,
        timeout=timeout,
        max_bytes=settings.max_message_bytes,
        ca_file=settings.tls_ca_file,
    )
    with publisher, _progress(source, counts) as advance:
        try:
            for settled in publisher.publish_many(source.events()):
                counts.add(settled, source.places.pop(settled.position))
                advance()
        except PublishUnavailable as error:
            counts.problem(str(error))
            counts.stop(source.places[min(source.places)], unknown=len(error.unknown))
    _finish(counts, as_json)
    if source.unreadable:
        raise typer.Exit(2)
    raise typer.Exit(1 if counts.failed else 0)


class _Counts:
    """What became of the events so far; says what is wrong with the first few."""

    def __init__(self) -> None:
        self.accepted = self.returned = self.refused = self.invalid = self.unknown = 0
        self.stopped_at: str | None = None
        self._problems = 0

    def add(self, settled: Published, place: str) -> None:
        problem = settled.problem
        if problem is None:
            self.accepted += 1
            return
        if isinstance(problem, InvalidEvent):
            self.invalid += 1
        elif isinstance(problem, Unroutable):
            self.returned += 1
        else:
            self.refused += 1
        self.problem(f"{place}: {problem}")

    def problem(self, sentence: str) -> None:
        self._problems += 1
        if self._problems <= _SHOWN:
            typer.echo(sentence, err=True)
        elif self._problems == _SHOWN + 1:
            typer.echo("… more problems are only counted", err=True)

    def stop(self, place: str, unknown: int) -> None:
        """The broker is away: nothing after ``place`` is tried, and ``unknown`` events may have arrived."""
        self.unknown = unknown
        self.stopped_at = place
        but = f", but {unknown} of them may have been" if unknown else ""
        typer.echo(f"stopped at {place}; events from there on were not published{but}", err=True)

    @property
    def failed(self) -> bool:
        return self._problems > 0

    def numbers(self) -> dict[str, int]:
        names = ("accepted", "returned", "refused", "invalid", "unknown")
        return {name: getattr(self, name) for name in names}


@contextmanager
def _progress(source: EventFiles, counts: _Counts) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing elsewhere; call the result after every event."""
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.fields[accepted]} accepted"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("publish", total=source.bytes_total, accepted=0)
        yield lambda: progress.update(task, completed=source.bytes_read, accepted=counts.accepted)


def _finish(counts: _Counts, as_json: bool) -> None:
    if as_json:
        result: dict[str, Any] = {**counts.numbers(), "stopped_at": counts.stopped_at}
        typer.echo(json.dumps(result))
    else:
        typer.echo(", ".join(f"{number} {name}" for name, number in counts.numbers().items() if number) or "no events")
