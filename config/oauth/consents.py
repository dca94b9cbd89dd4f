"""What a refusal means to the person who is just connecting an account. Pure."""

from typing import Final

from config.oauth.codes import Refusal, Verdict
from config.oauth.provider import ConsentRefused
from transports.errors import Code, DeliveryError, PlatformProblem

_DECLINED_NUMBERS: Final = frozenset({"65004"})
_OF_ACCOUNT: Final = {
    Code.ADMIN_CONSENT_NEEDED: "admin_consent_needed",
    Code.ACCESS_POLICY: "access_policy",
    Code.ACCOUNT_SUSPENDED: "access_policy",
    # The code is too old or was used, or the sign-in did not come to its end.
    Code.RECONNECTION_NEEDED: "expired",
}
_USED: Final = "AADSTS54005"
_CLOCK: Final = "AADSTS700024"


def at_the_browser(refusal: Refusal, verdict: Verdict) -> DeliveryError | ConsentRefused:
    """What to raise for an ``error`` that the browser brought back."""
    said_no = refusal.error == "access_denied" and set(refusal.numbers) <= _DECLINED_NUMBERS
    if said_no or _DECLINED_NUMBERS & set(refusal.numbers):
        return ConsentRefused("declined", verdict.detail)
    return at_the_code(verdict)


def at_the_code(verdict: Verdict) -> DeliveryError | ConsentRefused:
    """What to raise when a code was not redeemed."""
    if verdict.error is PlatformProblem and verdict.code is Code.INTERNAL_ERROR and verdict.detail != _CLOCK:
        # It does not fit what was asked for. A code that comes a second time was used by a page that was reloaded.
        return ConsentRefused("expired" if verdict.detail == _USED else "invalid", verdict.detail)
    if verdict.error is PlatformProblem:
        return verdict.exception()
    return ConsentRefused(_OF_ACCOUNT.get(verdict.code, "unavailable"), verdict.detail)
