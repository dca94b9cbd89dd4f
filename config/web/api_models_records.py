"""What the JSON API gives besides the settings: the history of changes, and what the sender's domain says."""

from datetime import datetime

from config.dns.report import FindingCode, State
from config.history import Action
from config.web.api_model_parts import ActorOut, Output


class FieldChangeOut(Output):
    """One field before and after; a secret has neither value."""

    name: str
    old: str | None
    new: str | None


class ChangeOut(Output):
    """One change of the settings."""

    id: int
    at: datetime
    by: ActorOut
    action: Action
    fields: list[FieldChangeOut]


class HistoryOut(Output):
    """Changes of the settings, newest first."""

    changes: list[ChangeOut]
    next_cursor: str | None
    """Give it as `cursor` for the changes before these; `null`: there are none."""


class NoteOut(Output):
    """One thing that was found."""

    state: State
    """`unknown`: the question was not answered, or it cannot be told from outside; that is not `missing`."""
    code: FindingCode
    headline: str
    meaning: str
    next_step: str
    """What to do now, in a sentence or two; empty if there is nothing to do."""


class FindingOut(NoteOut):
    """The gravest thing that was found about one kind of record."""

    records: list[str]
    """The records as they are published."""
    notes: list[NoteOut]
    """What else was found, none of it graver."""


class DomainOut(Output):
    """What the sender's domain says about mail from it."""

    domain: str
    checked_at: datetime
    spf: FindingOut
    dkim: FindingOut
    dmarc: FindingOut
    mx: FindingOut
