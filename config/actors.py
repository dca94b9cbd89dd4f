"""Who changed something: an administrator of the organisation, or an operator at the command line."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ActorKind(StrEnum):
    """From where somebody acted."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who may change settings; ``name`` and ``email`` are empty for an operator."""

    kind: ActorKind
    name: str = ""
    email: str = ""


OPERATOR: Final = Actor(ActorKind.OPERATOR)
"""Whoever may run the command line."""
