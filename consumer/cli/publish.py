"""``mailroom publish``: events from files or standard input onto the broker, with confirms and a count."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from config.process import Settings
from consumer.events import InvalidEvent
from consumer.publisher import Published, Publisher, PublishUnavailable, Unroutable

_SHOWN: Final = 20


def publish(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="One JSON event, or one event per line; - is standard input.")
    ],
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the broker, for one event.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Publish events and wait until the broker has them on disk.

    Every event is checked against the contract first. Exit code 1 if one was invalid or not accepted, 2 if a file
    cannot be read.
    """
    settings = Settings.load()
    missing = [name for name in files if name != "-" and not Path(name).is_file()]
    if missing:
        for name in missing:
            typer.echo(f"{name}: no such file", err=True)
        raise typer.Exit(2)
    source = _Source(files)
    counts = _Counts()
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
            counts.unknown = len(source.places)
    _finish(counts, as_json)


class _Counts:
    """What became of the events so far; says what is wrong with the first few."""

    def __init__(self) -> None:
        self.accepted = self.returned = self.refused = self.invalid = self.unknown = 0
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

    @property
    def failed(self) -> bool:
        return self._problems > 0

    def as_dict(self) -> dict[str, int]:
        names = ("accepted", "returned", "refused", "invalid", "unknown")
        return {name: getattr(self, name) for name in names}


class _Source:
    """The events in the files, and where each that is not settled yet came from."""

    def __init__(self, files: list[str]) -> None:
        self._files = files
        self.places: dict[int, str] = {}
        self.bytes_read = 0
        self._position = 0

    @property
    def bytes_total(self) -> int | None:
        """The size of all files; None when standard input is among them."""
        return None if "-" in self._files else sum(Path(name).stat().st_size for name in self._files)

    def events(self) -> Iterator[bytes]:
        for name in self._files:
            if name == "-":
                yield from self._lines("<stdin>", sys.stdin.buffer)
            else:
                with Path(name).open("rb") as stream:
                    yield from self._lines(name, stream)

    def _lines(self, name: str, stream: IO[bytes]) -> Iterator[bytes]:
        first = stream.readline()
        if _complete(first):
            yield from self._numbered(name, 1, first)
            for number, line in enumerate(stream, start=2):
                yield from self._numbered(name, number, line)
            return
        # One event written over many lines, or lines of which the first is broken.
        rest = stream.read()
        if _complete(first + rest) or not first.rstrip().endswith(b"}"):
            yield from self._numbered(name, 1, first + rest)
            return
        for number, line in enumerate((first + rest).splitlines(), start=1):
            yield from self._numbered(name, number, line)

    def _numbered(self, name: str, number: int, text: bytes) -> Iterator[bytes]:
        self.bytes_read += len(text)
        if not text.strip():
            return
        self.places[self._position] = f"{name}:{number}"
        self._position += 1
        yield text.strip()


def _complete(text: bytes) -> bool:
    """Whether the text is blank or JSON on its own; what kind of JSON is not the question here."""
    try:
        if text.strip():
            json.loads(text)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


@contextmanager
def _progress(source: _Source, counts: _Counts) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing elsewhere; call the result after every event."""
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.fields[accepted]} accepted"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("publish", total=source.bytes_total, accepted=0)
        yield lambda: progress.update(task, completed=source.bytes_read, accepted=counts.accepted)


def _finish(counts: _Counts, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(counts.as_dict()))
    else:
        typer.echo(", ".join(f"{number} {name}" for name, number in counts.as_dict().items() if number) or "no events")
    raise typer.Exit(1 if counts.failed else 0)
