"""What every part of ``mailroom doctor`` gives: a finding, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; ``ok`` is ``None`` when there was nothing to check."""

    name: str
    ok: bool | None
    found: str
    advice: str = ""
