"""Where ``mailroom publish`` takes its events from: files, pipes and standard input, told apart by name and line.

What an event must look like is not the question here.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from consumer.cli.streams import standard_input


class EventFiles:
    """The events in the files (``-`` is standard input), and where each that is not settled yet came from.

    A file that cannot be read any more is told to ``report``, ``unreadable`` is set, and the next one is read.
    """

    def __init__(self, files: Sequence[str], report: Callable[[str], None]) -> None:
        self._files = files
        self._report = report
        self.unreadable = False
        self.places: dict[int, str] = {}
        self.bytes_read = 0
        self._position = 0

    def problems(self) -> list[str]:
        """Why some of the files cannot be read, as far as that shows without opening them: a pipe opens only once."""
        if "-" in self._files:
            standard_input()
        return [f"{name}: {problem}" for name in self._files if name != "-" and (problem := _problem(Path(name)))]

    @property
    def bytes_total(self) -> int | None:
        """The size of all files; None when one of them is a pipe or another thing without a size."""
        if not all(name != "-" and Path(name).is_file() for name in self._files):
            return None
        return sum(Path(name).stat().st_size for name in self._files)

    def events(self) -> Iterator[bytes]:
        """The events as they were written, one after the other."""
        for name in self._files:
            try:
                if name == "-":
                    yield from self._lines("<stdin>", standard_input())
                else:
                    with Path(name).open("rb") as stream:
                        yield from self._lines(name, stream)
            except OSError as error:
                self.unreadable = True
                self._report(f"{name}: {error.strerror or 'cannot be read'}")

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


def _problem(path: Path) -> str | None:
    try:
        if path.is_dir():
            return "is a folder"
        path.stat()
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or "is not the name of a file"
    return None if os.access(path, os.R_OK) else "may not be read by this user"


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
