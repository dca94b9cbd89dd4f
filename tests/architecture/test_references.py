"""Everything the repository refers to can be found by a stranger: no notes of ours, no number without its meaning."""

import re
import subprocess
from functools import cache
from pathlib import Path

from deploy.local.places import CLONE

_NOTES = re.compile(r"\b(?:BROKER|DESIGN|PRODUCT|STYLE)(?:\.md\b| ?§| facts\b| \d+\.\d)|\bPROVIDER[S]\b")
_REQUIREMENT = re.compile(r"\bR\d{1,2}\b")
_EXPLAINED = re.compile(r"^\| (R\d{1,2}) \| .+ \|$", re.MULTILINE)
_HEADING = "## Requirements that comments name"


@cache
def _texts() -> dict[str, str]:
    """What git knows or would take up, by path; what is not text is left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CLONE,
        capture_output=True,
        check=True,
        timeout=60,
    )
    files = [Path(CLONE, name) for name in listed.stdout.decode().split("\0") if name]
    found = {str(file.relative_to(CLONE)): _text(file) for file in files if file.is_file()}
    return {path: text for path, text in found.items() if text is not None}


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def _lines(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Where it occurs (``path:line``) and what it is."""
    return [
        (f"{path}:{text.count(chr(10), 0, match.start()) + 1}", match.group())
        for path, text in sorted(_texts().items())
        for match in pattern.finditer(text)
    ]


def test_nothing_refers_to_notes_that_are_not_in_the_repository() -> None:
    """A comment says the thing itself or names a public source: an RFC, a vendor's page, an issue."""
    assert len(_texts()) > 100
    assert _lines(_NOTES) == []


def test_every_requirement_a_comment_names_is_explained() -> None:
    """An identifier in the code has its line in ARCHITECTURE.md, and no line is there for nothing."""
    section = _texts()["ARCHITECTURE.md"].split(_HEADING)[1].split("\n## ")[0]
    explained = _EXPLAINED.findall(section)
    named = {(where, what) for where, what in _lines(_REQUIREMENT) if not where.startswith("ARCHITECTURE.md:")}
    assert sorted(where for where, what in named if what not in explained) == []
    assert sorted(explained) == sorted({what for _, what in named})
