"""Lists of ``tag=value``, as DKIM keys and DMARC records are written (RFC 6376 §3.2). Pure, and never raises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_TAG: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags in their order, names in lower case, outer blanks removed; ``broken`` are parts that are no tags.

    A tag that comes twice is broken the second time.
    """

    tags: Mapping[str, str]
    broken: tuple[str, ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """The value of a tag."""
        return self.tags.get(name, default)

    def words(self, name: str, separator: str) -> frozenset[str]:
        """The value as a set of words in lower case."""
        return frozenset(word.strip().lower() for word in self.get(name).split(separator) if word.strip())


def parse_tags(text: str) -> TagList:
    """Takes a list apart; blank parts, such as one behind the last semicolon, do not count."""
    tags: dict[str, str] = {}
    broken: list[str] = []
    for part in text.split(";"):
        match = _TAG.fullmatch(part)
        if match is not None and match[1].lower() not in tags:
            tags[match[1].lower()] = match[2].strip()
        elif part.strip():
            broken.append(part.strip())
    return TagList(tags, tuple(broken))
