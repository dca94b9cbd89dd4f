"""From what a provider said to branches: recipients gathered by what becomes of them. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from consumer.attempt import Attempt
from consumer.events import Event
from consumer.outcome import Branch, Reason, Retry
from consumer.retry import Policy, decide, put_off
from consumer.unknown_policy import hold_unknown
from transports.errors import Code, DeliveryError


@dataclass(frozen=True, slots=True)
class Judge:
    """Applies the retry rule. ``now`` gives the wall clock, ``random`` a number in [0, 1); ``held`` are the categories
    whose events are held when their outcome is unknown."""

    policy: Policy
    now: Callable[[], datetime]
    random: Callable[[], float]
    held: frozenset[str]

    def branch(self, error: DeliveryError, event: Event, attempt: Attempt) -> Branch:
        """What becomes of everybody who met this error."""
        return decide(
            error,
            attempt,
            now=self.now(),
            expiry=event.expiry,
            hold_unknown=hold_unknown(event, self.held),
            policy=self.policy,
            random=self.random,
        )

    def aside(self, after: float, reason: Reason | Code, event: Event) -> Branch:
        """What becomes of an event that cannot leave yet: it comes back, unless it expires before."""
        return put_off(after, reason, now=self.now(), expiry=event.expiry)

    def branches(
        self, refused: Iterable[tuple[int, DeliveryError]], event: Event, attempt: Attempt
    ) -> tuple[Branch, ...]:
        """One branch for each decision and reason, with the positions of those it is for."""
        gathered: dict[tuple[type[object], str], tuple[Branch, list[int]]] = {}
        for position, error in refused:
            branch = self.branch(error, event, attempt)
            kept, positions = gathered.setdefault((type(branch.decision), branch.reason), (branch, []))
            positions.append(position)
            if isinstance(kept.decision, Retry) and isinstance(branch.decision, Retry):
                later = Retry(max(kept.decision.after, branch.decision.after), kept.decision.counted)
                gathered[type(branch.decision), branch.reason] = (replace(kept, decision=later), positions)
        return tuple(replace(branch, owed=tuple(owed)) for branch, owed in gathered.values())
