"""How refusals of token endpoints are told apart: the shape of the tables, and how a row is found. No I/O.

``error`` (RFC 6749 §5.2) decides; what a provider adds to it (numbers, sub-errors, words) only refines. The rows are in
:mod:`config.oauth.microsoft_codes` and :mod:`config.oauth.google_codes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from transports.errors import AccountProblem, Code, DeliveryError, PlatformProblem, Temporary, Throttled

TRY_LATER: Final = 429
SERVER_FAILS: Final = 500
ERRORS: Final = frozenset(
    {
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
        *("invalid_scope", "access_denied", "unsupported_response_type", "server_error", "temporarily_unavailable"),
        *("interaction_required", "login_required", "consent_required", "account_selection_required"),
        *("invalid_resource", "invalid_target", "invalid_tenant", "invalid_request_object", "redirect_uri_mismatch"),
        *("admin_policy_enforced", "org_internal", "deleted_client", "disabled_client", "restricted_client"),
        *("internal_failure", "rate_limit_exceeded", "quota_exceeded", "slow_down", "policy_enforced"),
    }
)
"""Values of ``error`` that may stand in a detail; anything else is the provider's own text."""

_OF_THE_APP: Final = frozenset({Code.PLATFORM_CREDENTIALS, Code.PLATFORM_SETTINGS})


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a token endpoint, or the browser on its way back, said instead of giving a token.

    ``status`` is 0 for what came through the browser. ``numbers`` are Microsoft's AADSTS numbers, ``suberror`` is
    Microsoft's or Google's (``error_subtype``), ``text`` the description in lower case: it is matched, never kept.
    ``retry_after`` is in seconds.
    """

    error: str
    status: int = 400
    numbers: tuple[str, ...] = ()
    suberror: str = ""
    text: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``when`` is a number, a sub-error, an ``error`` or a word of a description, as its table says.

    ``retry_after`` is in seconds; ``None`` leaves it to the general schedule.
    """

    when: str
    error: type[DeliveryError]
    code: Code
    source: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a refusal means. ``known`` is false where no row fits: that is counted, and taken for passing."""

    error: type[DeliveryError]
    code: Code
    detail: str
    retry_after: float | None = None
    known: bool = True

    def exception(self) -> DeliveryError:
        """The exception to raise."""
        return self.error(self.code, self.detail, retry_after=self.retry_after)


def of_row(row: Row, detail: str, refusal: Refusal) -> Verdict:
    """A row's verdict on a refusal; what the provider says about the time wins."""
    return Verdict(row.error, row.code, detail, refusal.retry_after or row.retry_after)


def passing(refusal: Refusal) -> Verdict | None:
    """The verdict on a provider that is away or asks for patience, whatever else it says; ``None`` for another."""
    if refusal.status == TRY_LATER or refusal.error in ("rate_limit_exceeded", "quota_exceeded", "slow_down"):
        return Verdict(Throttled, Code.THROTTLED, "token endpoint 429", refusal.retry_after)
    if refusal.status >= SERVER_FAILS:
        return Verdict(Temporary, Code.SIGN_IN_UNAVAILABLE, f"token endpoint {refusal.status}", refusal.retry_after)
    return None


def unknown(refusal: Refusal) -> Verdict:
    """The verdict where no row fits."""
    detail = refusal.error if refusal.error in ERRORS else "an unknown error"
    return Verdict(Temporary, Code.UNKNOWN_REPLY, detail, refusal.retry_after, known=False)


def first(rows: Sequence[Row], when: str) -> Row | None:
    """The row for exactly this."""
    return next((row for row in rows if row.when == when), None)


def first_in(rows: Sequence[Row], text: str) -> Row | None:
    """The first row whose words stand in the text."""
    return next((row for row in rows if row.when in text), None)


def as_own_app(verdict: Verdict) -> Verdict:
    """The same where the refused app is the organisation's own: its credentials are its own affair.

    A fault of our code, or of our clock, remains ours.
    """
    if verdict.error is PlatformProblem and verdict.code in _OF_THE_APP:
        return replace(verdict, error=AccountProblem, code=Code.APP_CREDENTIALS)
    return verdict
