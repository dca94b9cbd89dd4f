"""A scene of the demo: consent is taken back at the provider, an event waits, and the account is connected again.

What was seen is given back, and judged by others.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from deploy.local.demo_connect import Administrator
from deploy.local.demo_overall import Check, Metrics
from deploy.local.demo_parts import Organization, Sample
from deploy.local.demo_stage import Say, Stage

_PATIENCE: Final = 30.0
_BOUND: Final = 60.0
"""Seconds within which what waited must leave after a re-connection."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was seen: the status of the settings while mail waited and afterwards, and how long the mail then took."""

    organization: Organization
    waiting: str
    parked: bool
    afterwards: str
    seconds: float

    @property
    def happened(self) -> str:
        """In a line."""
        return (
            f"settings {self.waiting} while the event waited; connected again, it left after {self.seconds:.1f} s; "
            f"settings {self.afterwards}"
        )


def revoke_and_connect_again(stage: Stage, sample: Sample, say: Say) -> Revocation:
    """Plays the scene with ``sample``, which must be the only event under way.

    Raises:
        CommandFailed: the settings page is not as it should be.
    """
    one = sample.organization
    administrator = Administrator(stage.page, stage.platform, one, stage.sandbox.ca_file)
    say(f"{one.id} takes its consent back at {one.provider.capitalize()}; an event of it waits")
    stage.providers.box(one).revoke(one.username)
    file = stage.folder / "waiting.jsonl"
    file.write_text(json.dumps(sample.event, ensure_ascii=False) + "\n", encoding="utf-8")
    before = len(stage.sandbox.taken)
    stage.mailroom.begin("publish", "--json", file.name).finish()
    parked = _within(stage, _PATIENCE, lambda: _outcomes(stage, "parked") >= 1)
    waiting = administrator.status()
    say(f"{one.id} is connected again, by the page that says so")
    began = time.monotonic()
    administrator.connect_again()
    arrived = _within(stage, _BOUND, lambda: len(stage.sandbox.taken) > before)
    seconds = time.monotonic() - began
    return Revocation(one, waiting, parked, administrator.status(), seconds if arrived else float("inf"))


def seen(revocation: Revocation) -> tuple[Check, ...]:
    """What must hold of the scene, beyond the mail itself."""
    who = f"{revocation.organization.id}, consent taken back"
    asks = "" if revocation.parked and revocation.waiting == "needs_attention" else revocation.waiting
    again = "" if revocation.afterwards in ("connected", "verified") else revocation.afterwards
    late = "" if revocation.seconds < _BOUND else "nothing came"
    return (
        Check(f"{who}: its event waited, and its settings said that they need attention", asks),
        Check(f"{who}: connected again with the sender it had, and what waited left within a minute", again or late),
    )


def _outcomes(stage: Stage, outcome: str) -> float:
    return Metrics(stage.get("/metrics")[1]).total("mailroom_outcomes_total", outcome=outcome)


def _within(stage: Stage, seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        stage.require_running()
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
