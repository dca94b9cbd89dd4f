"""The verdict on a scene: pure, from the evidence alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from consumer.outcome import Reason
from consumer.steps import Step
from tests.chaos.evidence import Delivery, Evidence, Letter, Unknown
from tests.chaos.mix import LOCKED, Unit
from tests.chaos.servers import Handed
from transports.errors import Code

HANDED_OFF, DEAD, EXPIRED, PARKED = "handed off", "dead", "expired", "parked"
_DOUBT = Code.OUTCOME_UNKNOWN.value
_AFTER = 30.0
"""Seconds after a spell in which an outcome may still be found unknown: a deadline, a pause, and a tier's wait."""

_EARLY = 6.0
"""Seconds before a spell in which a mail may have been taken that was to be answered within it."""

_LATE = 1.0

ENDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "hard": frozenset({"recipient_refused"}),
        "refused": frozenset({"recipient_refused"}),
        "odd": frozenset({"unknown_reply"}),
        "late": frozenset({"expired"}),
        "short": frozenset({"expired"}),
        "bad": frozenset({"invalid_event"}),
    }
)
"""By kind, the reasons that its dead letter may have; every other kind is to be handed off."""

ATTEMPTS: Mapping[str, int] = MappingProxyType({"hard": 1, "refused": 1, "odd": 5, "soft": 2, "ok": 1, "twin": 1})
"""By kind, how often the relay is asked to take the recipient when nothing comes between."""


@dataclass(slots=True)
class Verdict:
    """What was found; ``wrong`` says what broke a promise, ``notes`` what a person should know."""

    attempted: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    two_ends: list[str] = field(default_factory=list)
    twice: int = 0
    unexplained: list[str] = field(default_factory=list)
    unknowns: int = 0
    uncaused: list[str] = field(default_factory=list)
    uncounted: list[str] = field(default_factory=list)
    letters_twice: int = 0
    suppressed: int = 0
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def fault(self) -> str:
        """All that is wrong, in one line; empty when every promise was kept."""
        return "; ".join(self.wrong)


def judge(evidence: Evidence, wall: float) -> Verdict:
    """The verdict; ``wall`` is what to add to a monotonic time to get seconds since 1970."""
    found = Verdict(attempted=len(evidence.units))
    handed: defaultdict[str, list[Handed]] = defaultdict(list)
    for one in sorted(evidence.handed, key=lambda one: one.at):
        handed[one.address].append(one)
    ended: defaultdict[str, list[tuple[str, Letter]]] = defaultdict(list)
    for letter in evidence.dead:
        ended[letter.address].append((EXPIRED if letter.reason == Reason.EXPIRED else DEAD, letter))
    for letter in evidence.parked:
        ended[letter.address].append((PARKED, letter))
    unknown = Counter(one.event for one in evidence.unknowns)
    found.unknowns = len(evidence.unknowns)
    found.suppressed = round(sum(value for (outcome, _), value in evidence.metrics.items() if outcome == "duplicate"))
    for address, unit in evidence.units.items():
        _end(found, unit, handed[address], ended[address], evidence, unknown)
    for address in handed.keys() | ended.keys():
        if address not in evidence.units:
            found.wrong.append(f"{address} is of no event")
    _duplicates(found, handed, evidence, unknown)
    _causes(found, evidence, wall)
    _attempts(found, evidence, unknown)
    _sum_up(found, evidence)
    return found


def _end(
    found: Verdict,
    unit: Unit,
    handed: list[Handed],
    ended: list[tuple[str, Letter]],
    evidence: Evidence,
    unknown: Counter[str],
) -> None:
    """Which end one recipient of one event came to."""
    kinds = {kind for kind, _ in ended}
    if not handed and not kinds:
        found.lost.append(unit.address)
        return
    found.letters_twice += max(0, len(ended) - len(kinds))
    # A mail whose outcome is unknown may have been taken, and then be given up: its letter says so.
    doubted = all(letter.unknown or letter.reason == _DOUBT for _, letter in ended)
    if len(kinds) > 1 or (kinds and handed and not (doubted and unknown[unit.event])):
        found.two_ends.append(f"{unit.address}: {', '.join(sorted(kinds))}, taken {len(handed)} times")
    end = next(iter(sorted(kinds)), HANDED_OFF)
    found.ends[end] += 1
    if not _as_it_should(unit, end, {letter.reason for _, letter in ended}, unknown[unit.event] > 0):
        if end == DEAD and _killed(evidence, unit.event) >= 3 and ended[0][1].reason == Reason.POISON:
            found.notes.append(f"{unit.address} was being sent at three deaths, and convicted for it")
        else:
            reasons = ", ".join(sorted({letter.reason for _, letter in ended}))
            found.notes.append(f"{unit.address} ended as {end} ({reasons})")


def _as_it_should(unit: Unit, end: str, reasons: set[str], doubt: bool) -> bool:
    if doubt and reasons <= {_DOUBT, Reason.EXPIRED.value}:
        return True
    if unit.organization == LOCKED and unit.kind != "late":
        return end == PARKED
    wanted = ENDS.get(unit.kind)
    return end == HANDED_OFF if wanted is None else bool(reasons) and reasons <= wanted


def _killed(evidence: Evidence, event: str) -> int:
    return sum(one.killed for one in evidence.deliveries.get(event, ()))


def _cut_short(evidence: Evidence, event: str) -> int:
    """How often a process died after the record and before it could count it."""
    found = evidence.deliveries.get(event, ())
    return sum(one.killed and Step.RECORDED in one.steps and Step.ACKNOWLEDGING not in one.steps for one in found)


def _duplicates(found: Verdict, handed: Mapping[str, list[Handed]], evidence: Evidence, unknown: Counter[str]) -> None:
    """Every mail beyond the first: what of the one before it could not be known, and whether it was counted."""
    for address, mails in handed.items():
        unit = evidence.units.get(address)
        if unit is None or len(mails) < 2:
            continue
        found.twice += len(mails) - 1
        for before in mails[:-1]:
            if before.answered and not _in_window(evidence, unit.event, before.at):
                found.unexplained.append(address)
        if unknown[unit.event] + _cut_short(evidence, unit.event) < len(mails) - 1:
            found.uncounted.append(address)


def _in_window(evidence: Evidence, event: str, at: float) -> bool:
    """Whether whoever sent it then died before the outcome was recorded, or was kept from the answer."""
    for one in evidence.deliveries.get(event, ()):
        began = one.steps.get(Step.SENDING)
        if one.killed and began is not None and began <= at and one.steps.get(Step.RECORDED, 0.0) < began:
            return True
    return any(spell.began - _EARLY <= at <= spell.ended + _LATE for spell in evidence.spells)


def _causes(found: Verdict, evidence: Evidence, wall: float) -> None:
    """Every outcome counted as unknown: an answer that was lost, a process that died with it, or a spell."""
    lost = Counter[str]()
    for address, count in evidence.doubtful.items():
        if address in evidence.units:
            lost[evidence.units[address].event] += count
    by_event: defaultdict[str, list[Unknown]] = defaultdict(list)
    for one in evidence.unknowns:
        by_event[one.event].append(one)
    for event, counted in by_event.items():
        allowed = lost[event] + _killed(evidence, event)
        spells = sum(_within(one.at - wall, evidence) for one in counted)
        if len(counted) > allowed + spells:
            found.uncaused.append(event)
    for event, count in lost.items():
        if len(by_event[event]) < count and not _disturbed(evidence, event):
            found.uncounted.append(event)


def _within(at: float, evidence: Evidence) -> bool:
    return any(spell.began - _EARLY <= at <= spell.ended + _AFTER for spell in evidence.spells)


def _disturbed(evidence: Evidence, event: str) -> bool:
    """Whether anything happened to a delivery of it, so that it may not have been counted, or been tried once more."""
    if any(Step.ACKNOWLEDGING not in one.steps for one in evidence.deliveries.get(event, ())):
        return True  # its process died, or its connection
    moments = [at for one in evidence.deliveries.get(event, ()) for at in one.steps.values()]
    return any(_within(at, evidence) for at in moments)


def _attempts(found: Verdict, evidence: Evidence, unknown: Counter[str]) -> None:
    """How often a recipient was offered: the same with any number of replicas, where nothing came between."""
    strange = Counter[str]()
    for address, unit in evidence.units.items():
        wanted = ATTEMPTS.get(unit.kind)
        if wanted is None or not unit.organization.startswith("org-"):
            continue
        if unknown[unit.event] or _disturbed(evidence, unit.event):
            continue
        if evidence.asks[address] != wanted:
            strange[unit.kind] += 1
            if strange[unit.kind] <= 3:
                found.notes.append(f"{address} was offered {evidence.asks[address]} times, not {wanted}")
    if strange:
        found.wrong.append(f"{sum(strange.values())} undisturbed recipients were offered too often or too seldom")


def _sum_up(found: Verdict, evidence: Evidence) -> None:
    by_metric = round(sum(value for (_, reason), value in evidence.metrics.items() if reason == _DOUBT))
    if by_metric != found.unknowns:
        found.wrong.append(f"the metric has {by_metric} unknown outcomes, the logs {found.unknowns}")
    if sum(found.ends.values()) + len(found.lost) != found.attempted:
        found.wrong.append("the sum of all ends is wrong")
    for what, list_ in (
        ("lost", found.lost),
        ("in two end states", found.two_ends),
        ("sent twice without a cause", found.unexplained),
        ("unknown without a cause", found.uncaused),
        ("in doubt and not counted as unknown", found.uncounted),
    ):
        if list_:
            found.wrong.append(f"{len(list_)} {what} ({'; '.join(_some(list_))})")
    counted = found.unknowns + sum(_cut_short(evidence, event) for event in evidence.deliveries)
    if found.twice > counted:
        found.wrong.append(f"{found.twice} sent twice, {counted} counted as unknown")


def _some(list_: Iterable[str]) -> list[str]:
    return list(list_)[:5]


def last_deliveries(evidence: Evidence, event: str) -> list[Delivery]:
    """All deliveries of an event in their order, for whoever has to find out."""
    return sorted(evidence.deliveries.get(event, ()), key=lambda one: one.began)
