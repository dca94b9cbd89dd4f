"""Small pages: the code of a test mail, the way back to the platform default, settings for somebody who only looks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from config.languages import N_
from config.web.forms import LABELS, SMTP_FIELDS, Field, Problem
from config.web.offers import Offer
from config.web.views import ENCRYPTION


@dataclass(frozen=True, slots=True)
class VerifyView:
    """The form for the code; ``already`` says when the code was taken before, and then there is nothing to enter."""

    code: Field
    problems: tuple[Problem, ...] = ()
    already: datetime | None = None


@dataclass(frozen=True, slots=True)
class DisconnectView:
    """What would be given up, and for what; ``server`` is empty where there is nothing to disconnect.

    ``offer`` and ``account`` are those of a connected account, ``app``: by an app of the organisation's own.
    """

    server: str
    sender: str
    default_sender: str
    offer: Offer | None
    account: str
    app: bool
    version: int
    confirm: Field
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Settings for somebody who may only look: pairs of label and value."""

    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FactsView:
    """The settings in use and the draft, as far as there are any."""

    parts: tuple[Facts, ...]


def facts_view(in_use: Mapping[str, str] | None, draft: Mapping[str, str] | None) -> FactsView:
    """The fields of both, the password left out."""
    given = ((N_("In use"), in_use), (N_("Draft, not in use"), draft))
    return FactsView(tuple(Facts(title, _facts(fields)) for title, fields in given if fields))


def _facts(fields: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    shown = {**fields, "security": ENCRYPTION.get(fields["security"], "")}
    return tuple((LABELS[name], shown[name]) for name in SMTP_FIELDS if name in shown)
