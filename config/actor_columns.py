"""An actor in the columns of a row, and back."""

from collections.abc import Mapping
from typing import Any

from config.actors import Actor, ActorKind


def columns(actor: Actor) -> dict[str, str]:
    """The columns that name who did it."""
    return {"actor_kind": actor.kind.value, "actor_name": actor.name, "actor_email": actor.email}


def actor(row: Mapping[str, Any]) -> Actor:
    """Who is named in a row."""
    return Actor(ActorKind(row["actor_kind"]), row["actor_name"], row["actor_email"])
