"""What can be wrong with a request: one table of problems, each with a stable code and sentences for a person.

A route raises :class:`WebProblem`; whether the answer is a page or ``application/problem+json`` (RFC 9457) is decided
by the address (:mod:`config.web.answers`). No problem repeats anything of the request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.languages import N_


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem; ``title``, ``what`` and ``next_step`` are msgids, ``code`` never changes."""

    status: int
    code: str
    title: str
    what: str
    next_step: str


class WebProblem(Exception):
    """A request is answered with a problem; ``headers`` go along, ``members`` stand in the API's answer only."""

    def __init__(
        self, problem: Problem, *, headers: Mapping[str, str] | None = None, members: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.headers = dict(headers or {})
        self.members = dict(members or {})


class PageProblem(WebProblem):
    """The usual problem of a status: ``PageProblem(404)``."""

    def __init__(self, status: int) -> None:
        super().__init__(of_status(status))


class ApiProblem(WebProblem):
    """A problem of the API with members of its own: ``ApiProblem(problem, errors=[…])``."""

    def __init__(self, problem: Problem, *, headers: Mapping[str, str] | None = None, **members: object) -> None:
        super().__init__(problem, headers=headers, members=members)


_OPEN_AGAIN: Final = N_("Open the e-mail settings from your platform again: it signs you in.")
_BACK: Final = N_("Go back to the settings.")
_LATER: Final = N_("Try again in a moment. If it stays like this, tell the platform’s operator.")
_PLATFORM: Final = N_("Tell the platform’s operator: the address or the proxy before this page is set up wrongly.")

SIGN_IN_NEEDED: Final = Problem(
    401,
    "sign_in_needed",
    N_("You are not signed in"),
    N_("This page needs a sign-in, and there is none, or it has ended."),
    _OPEN_AGAIN,
)
SIGN_IN_TO_CONFIRM: Final = Problem(
    401,
    "sign_in_needed",
    N_("You are not signed in"),
    N_("The test mail’s code was noted, but confirming it needs a sign-in, and there is none, or it has ended."),
    N_(
        "Open the e-mail settings from your platform again, in this browser and within half an hour: it signs you in,"
        " and the code is filled in."
    ),
)
CONNECTION_ENDED: Final = Problem(
    401,
    "sign_in_needed",
    N_("The connection was not finished"),
    N_(
        "When the provider sent you back there was no sign-in here, or it had ended meanwhile, so nothing was"
        " connected."
    ),
    N_("Open the e-mail settings from your platform again: it signs you in. Then connect the account once more."),
)
HANDOVER_REFUSED: Final = Problem(
    401,
    "handover_refused",
    N_("The sign-in link is no longer valid"),
    N_("A sign-in link can be used once and within five minutes."),
    N_("Open the e-mail settings from your platform again: it makes a new link."),
)
NOT_A_VISIT: Final = Problem(
    403,
    "not_a_visit",
    N_("The sign-in link was not opened"),
    N_("A sign-in link counts only when a person opens it in a window of its own."),
    N_("Open the e-mail settings from your platform again: it makes a new link."),
)
NOT_COME_BACK: Final = Problem(
    403,
    "not_a_visit",
    N_("The connection was not finished"),
    N_("What a provider sends back counts only when a person comes back with it in a window of its own."),
    N_("Connect the account once more."),
)
ADMINISTRATOR_NEEDED: Final = Problem(
    403,
    "administrator_needed",
    N_("This is for administrators"),
    N_("You may look at these settings, but not change them."),
    N_("Ask an administrator of your organisation to do it."),
)
CROSS_SITE: Final = Problem(
    403,
    "cross_site",
    N_("The request came from another site"),
    N_("Changes are accepted from these pages only, so nothing was done."),
    _BACK,
)
CSRF_FAILED: Final = Problem(
    403,
    "csrf_failed",
    N_("The form is no longer valid"),
    N_("It belongs to another sign-in, so nothing was done."),
    N_("Go back to the settings and fill in the form again."),
)
NOT_FOUND: Final = Problem(
    404, "not_found", N_("There is no such page"), N_("The address leads nowhere, or what it led to is gone."), _BACK
)
METHOD_NOT_ALLOWED: Final = Problem(
    405,
    "method_not_allowed",
    N_("This cannot be done at this address"),
    N_("The address exists, but it does not take this kind of request."),
    _BACK,
)
TOO_SLOW: Final = Problem(
    408,
    "request_too_slow",
    N_("The request did not arrive in time"),
    N_("It was given up, so nothing was done."),
    _LATER,
)
BODY_TOO_LARGE: Final = Problem(
    413,
    "body_too_large",
    N_("Too much was sent"),
    N_("The request is larger than 64 KiB, so nothing was done."),
    N_("Shorten what you entered and send it again."),
)
UNSUPPORTED_TYPE: Final = Problem(
    415,
    "unsupported_media_type",
    N_("The request has a form that is not understood"),
    N_("Its content type is not one that this address takes."),
    N_("Send JSON to the API, and forms from these pages."),
)
MISDIRECTED: Final = Problem(
    421,
    "host_unknown",
    N_("These pages have another address"),
    N_("The request asked for a host name that is not the one of these pages."),
    _PLATFORM,
)
INVALID_REQUEST: Final = Problem(
    422,
    "invalid_request",
    N_("The request is not understood"),
    N_("Something in it is missing or has the wrong form, so nothing was done."),
    N_("Go back, check what you entered and send it again."),
)
TOO_MANY_REQUESTS: Final = Problem(
    429,
    "too_many_requests",
    N_("Too many requests"),
    N_("There were too many requests in a short time, so this one was not answered."),
    N_("Wait a minute, then try again."),
)
INTERNAL_ERROR: Final = Problem(
    500,
    "internal_error",
    N_("Something went wrong here"),
    N_("It is our mistake, not yours. It is in the log under the number below."),
    N_("Try again. If it happens again, tell the platform’s operator the number."),
)
STORE_UNAVAILABLE: Final = Problem(
    503,
    "store_unavailable",
    N_("The settings cannot be reached at the moment"),
    N_("The database does not answer. What you entered was not saved."),
    _LATER,
)
SETTINGS_UNREADABLE: Final = Problem(
    503,
    "settings_unreadable",
    N_("The stored settings cannot be read"),
    N_("Your organisation’s mail waits and leaves by no other way until they can."),
    N_("Tell the platform’s operator."),
)

PROBLEMS: Final = (
    SIGN_IN_NEEDED,
    HANDOVER_REFUSED,
    NOT_A_VISIT,
    ADMINISTRATOR_NEEDED,
    CROSS_SITE,
    CSRF_FAILED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    TOO_SLOW,
    BODY_TOO_LARGE,
    UNSUPPORTED_TYPE,
    MISDIRECTED,
    INVALID_REQUEST,
    TOO_MANY_REQUESTS,
    INTERNAL_ERROR,
    STORE_UNAVAILABLE,
    SETTINGS_UNREADABLE,
)
"""What any address may answer; the API adds its own."""

_BY_STATUS: Final = {
    401: SIGN_IN_NEEDED,
    403: ADMINISTRATOR_NEEDED,
    503: STORE_UNAVAILABLE,
    **{one.status: one for one in PROBLEMS if one.status not in (401, 403, 503)},
}


def of_status(status: int) -> Problem:
    """The usual problem of a status; of one without an entry, that of its class."""
    return _BY_STATUS.get(status) or (INVALID_REQUEST if status < 500 else INTERNAL_ERROR)
