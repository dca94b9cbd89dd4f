"""The files of ``static/``: read once, each with an address that changes with its content."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "/static/"
_HASH_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    content: bytes
    content_type: str
    fingerprint: str


class Assets:
    """All files of a folder, in memory."""

    def __init__(self, folder: Path) -> None:
        self._files = {file.name: _read(file) for file in sorted(folder.iterdir()) if file.is_file()}

    def get(self, name: str) -> Asset | None:
        """The file of that name, if there is one; a name is never a path."""
        return self._files.get(name)

    def url(self, name: str) -> str:
        """The address of a file; ``KeyError`` for one that does not exist."""
        return f"{PREFIX}{name}?v={self._files[name].fingerprint}"


def _read(file: Path) -> Asset:
    content = file.read_bytes()
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind.endswith("+xml")
    return Asset(
        content, f"{kind}; charset=utf-8" if text else kind, hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
    )
