"""What every page needs, as plain values: who looks at it, what was just done. Sentences are msgids."""

import math
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
    """A sentence at the top of a page; ``tone`` is ``ok``, ``info``, ``warning`` or ``bad``.

    ``minutes`` (0: not said) is how long a test has to be waited for; ``test``: a test is what should come next.
    """

    tone: str
    text: str
    minutes: int = 0
    test: bool = False


NOTICES: Final[Mapping[str, Notice]] = {
    "draft-saved": Notice("ok", N_("The draft is saved. It is not in use: mail leaves as before.")),
    "draft-discarded": Notice("ok", N_("The draft is discarded.")),
    "disconnected": Notice("ok", N_("Disconnected: mail leaves from the platform’s address again.")),
    "verified": Notice("ok", N_("Confirmed: the test mail arrived, so these settings are verified.")),
    "checked": Notice("ok", N_("The domain was looked up again.")),
    "reconnected": Notice(
        "ok",
        N_(
            "Connected again: mail that waited is tried from now on. If the account still has a problem, this page will"
            " say so; “Send a test mail” tells at once."
        ),
        test=True,
    ),
    "replaced": Notice(
        "warning",
        N_(
            "Nothing was saved: the account that you were at was given up, because another one was connected after it."
            " Connect it again if it is the one that shall send."
        ),
    ),
    "given-up": Notice(
        "warning",
        N_(
            "Nothing was saved: the account that you were at was given up meanwhile. Connect it again if it is the one"
            " that shall send."
        ),
    ),
    "account-discarded": Notice("ok", N_("The account was given up. What is in use stays as it was.")),
    "administrator-agreed": Notice(
        "ok", N_("An administrator has agreed. Now connect the account itself, by signing in with it.")
    ),
    "limits-saved": Notice("ok", N_("The limits are saved: they hold from two seconds on.")),
    "limits-usual": Notice("ok", N_("The usual limits hold again, from two seconds on.")),
    "busy": Notice("warning", N_("A test is under way already; this is it.")),
    "nothing": Notice("info", N_("There is nothing to test: your organisation has no mail server of its own.")),
    "unreadable": Notice(
        "bad", N_("The stored settings cannot be read, so nothing was tested. Tell the platform’s operator.")
    ),
    "changed": Notice(
        "warning", N_("The settings were changed meanwhile, so nothing was done. Look at them once more.")
    ),
}
"""What an address may ask a page to say (``?done=…``): a closed set, never text from the address itself."""


OFTEN: Final = "often"
"""What an address has for ``done`` when tests are throttled; ``minutes`` then says for how long."""
MINUTES: Final = range(1, 61)
"""How long a throttle of tests can last."""


def notice_of(query: Mapping[str, str]) -> Notice | None:
    """What an address asks a page to say."""
    done, minutes = query.get("done", ""), query.get("minutes", "")
    if done != OFTEN:
        return NOTICES.get(done)
    known = minutes.isascii() and minutes.isdigit() and len(minutes) <= 2 and int(minutes) in MINUTES
    return Notice("warning", N_("There were too many tests in a short time."), int(minutes) if known else MINUTES[-1])


def throttled(retry_after: float) -> Notice:
    """What a form says when what was entered could not be tested for ``retry_after`` seconds more."""
    text = N_("There were too many tests in a short time. What you entered is kept as a draft.")
    return Notice("warning", text, whole_minutes(retry_after))


def whole_minutes(seconds: float) -> int:
    """After how many whole minutes so many seconds are surely over; at least 1."""
    return max(MINUTES[0], math.ceil(seconds / 60))


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
