"""What every page needs, as plain values: who looks at it, what was just done. Sentences are msgids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.actors import Actor, ActorKind
from config.languages import N_
from transports.message import Mailbox

LANGUAGE_NAMES: Final = {"en": "English", "fr": "Français"}
"""Each in itself: that is how a reader finds it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence at the top of a page; ``tone`` is ``ok``, ``info``, ``warning`` or ``bad``."""

    tone: str
    text: str


NOTICES: Final[Mapping[str, Notice]] = {
    "draft-saved": Notice("ok", N_("The draft is saved. It is not in use: mail leaves as before.")),
    "draft-discarded": Notice("ok", N_("The draft is discarded.")),
    "disconnected": Notice("ok", N_("Disconnected: mail leaves from the platform’s address again.")),
    "verified": Notice("ok", N_("Confirmed: the test mail arrived, so these settings are verified.")),
    "checked": Notice("ok", N_("The domain was looked up again.")),
    "busy": Notice("warning", N_("A test is under way already; this is it.")),
    "often": Notice("warning", N_("There were too many tests in a short time. Wait some minutes, then try again.")),
    "nothing": Notice("info", N_("There is nothing to test: your organisation has no mail server of its own.")),
    "unreadable": Notice(
        "bad", N_("The stored settings cannot be read, so nothing was tested. Tell the platform’s operator.")
    ),
    "changed": Notice(
        "warning", N_("Somebody else changed the settings meanwhile, so nothing was done. Look at them once more.")
    ),
}
"""What an address may ask a page to say (``?done=…``): a closed set, never text from the address itself."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language one can change to."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around the content; without ``organization`` nobody is signed in and there is no navigation."""

    organization: str = ""
    person: str = ""
    email: str = ""
    viewer: bool = False
    csrf: str = ""
    path: str = "/settings"
    tab: str = ""
    notice: Notice | None = None

    @property
    def languages(self) -> tuple[Language, ...]:
        """All there are."""
        return tuple(Language(code, name) for code, name in LANGUAGE_NAMES.items())


ENCRYPTION: Final[Mapping[str, str]] = {"starttls": "STARTTLS", "tls": "TLS"}
"""How the kinds of encryption are written."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who did something."""

    name: str
    email: str
    operator: bool


def person(actor: Actor) -> Person:
    """The person behind an actor."""
    return Person(actor.name, actor.email, actor.kind is ActorKind.OPERATOR)


def shown_mailbox(mailbox: Mailbox) -> str:
    """``Name <address>``, or the address alone."""
    return f"{mailbox.name} <{mailbox.address}>" if mailbox.name else mailbox.address
