"""The shape of a row in the tables of texts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Three msgids, whose ``{…}`` are the finding's params; the last may be empty."""

    headline: str
    meaning: str
    next_step: str = ""
