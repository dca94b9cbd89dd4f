"""What the ledger is told of a delivery: pure. Positions are those of recipients in *to + cc + bcc*."""

from dataclasses import dataclass

from consumer.attempt import Attempt
from consumer.ledger import Record, Standing, State
from consumer.outcome import Branch, Dead, Drop, Reason
from transports.errors import Code


@dataclass(frozen=True, slots=True)
class Share:
    """Which recipients one copy of an event is for.

    ``owed`` are those that the event still owes, by all its copies together; ``mine`` those of them this copy names.
    ``partial``: the ledger knew that others have it already, or that they go by a copy of their own.
    """

    owed: tuple[int, ...]
    mine: tuple[int, ...]
    partial: bool


def share(standing: Standing, attempt: Attempt, recipients: int) -> Share:
    """Whom this copy may be sent to, by what the ledger and the copy itself say."""
    everybody = tuple(range(recipients))
    named = everybody if attempt.owed is None else tuple(each for each in attempt.owed if each < recipients)
    if standing.owed is None:
        # A copy for some, of an event that is on record no more: others may go by copies of their own.
        return Share(everybody, named, partial=attempt.owed is not None)
    mine = tuple(each for each in named if each in standing.owed)
    return Share(standing.owed, mine, partial=True)


def unbegun(standing: Standing, resend: bool) -> Record:
    """What puts things back as they were before a send that was begun in the ledger, and then not made."""
    if resend and standing.state is State.UNKNOWN:
        return Record(State.UNKNOWN, standing.owed)
    return Record(State.NEW) if standing.owed is None else Record(State.OWED, standing.owed)


def records(mine: Share, accepted: tuple[int, ...], branches: tuple[Branch, ...]) -> tuple[Record, Record | None]:
    """What to record before the branches are published, and what after, if that is different.

    As long as a branch is not published, its recipients are owed: whoever finds the event again after a crash starts
    from there, and none of them is forgotten.
    """
    owed = tuple(each for each in mine.owed if each not in accepted)
    if not owed:
        return Record(State.DONE), None
    if len(branches) == 1 and not accepted and not mine.partial and branches[0].owed in (None, mine.mine):
        return _alone(branches[0]), None
    dead = {each for branch in branches if isinstance(branch.decision, Dead) for each in branch.owed or mine.mine}
    left = tuple(each for each in owed if each not in dead)
    only = branches[0] if len(branches) == 1 else None
    if only is not None and only.unknown and not dead:
        return Record(State.UNKNOWN, owed), None
    # With a reason the owed ones of this very copy are given up, and only its dead letter may be missing.
    first = Record(State.OWED, owed, reason=str(only.reason) if only is not None and dead else "")
    if left == owed:
        return first, None
    if left:
        return first, Record(State.OWED, left)
    nobody = not accepted and not mine.partial
    return first, Record(State.DEAD, reason=str(branches[0].reason)) if nobody else Record(State.DONE)


def _alone(branch: Branch) -> Record:
    if isinstance(branch.decision, Dead):
        return Record(State.DEAD, reason=str(branch.reason))
    return Record(State.UNKNOWN) if branch.unknown else Record(State.NEW)


def settled_before(standing: Standing, redelivered: bool) -> Branch | None:
    """What becomes of a copy whose event has ended, or that was given up itself; ``None`` for one still open."""
    if standing.reason and standing.same_copy and redelivered and standing.state in (State.DEAD, State.OWED):
        # The process may have died between the record and the publishing: better a second dead letter than none.
        return Branch(Dead(), _reason(standing.reason))
    # An unknown outcome is told and followed up by the copy that met it, which comes again if that was not finished; a
    # copy for some recipients has its own to care for.
    unknown = standing.state is State.UNKNOWN and not standing.began and standing.owed is None
    theirs = unknown and not (standing.same_copy and redelivered)
    if standing.state in (State.DONE, State.DEAD) or theirs:
        return Branch(Drop(), Reason.SETTLED_BEFORE if standing.same_copy and redelivered else Reason.DUPLICATE)
    return None


def _reason(text: str) -> Code | Reason:
    for known in (Reason, Code):
        try:
            return known(text)
        except ValueError:
            continue
    return Reason.RETRIES_EXHAUSTED
