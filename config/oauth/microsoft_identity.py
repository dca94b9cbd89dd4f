"""Who signed in at Entra ID, by the ID token that came from the token endpoint. Pure.

The token came over verified TLS from where it was issued, which stands in for its signature (OpenID Connect Core 1.0
§3.1.3.7, number 6); its claims are checked all the same. ``client_info`` is never looked at: nobody signed it.
"""

from collections.abc import Mapping
from typing import Any, Final

from config.oauth.provider import ConsentRefused
from config.oauth.values import Identity

SKEW: Final = 600.0
"""Seconds by which our clock and theirs may differ."""
LONGEST: Final = 320


def identity(claims: Mapping[str, Any], *, client_id: str, issuer: str, now: float) -> Identity:
    """The account that consented.

    Raises:
        ConsentRefused: the ID token is missing, was not made for us, ran out, or names nobody.
    """
    subject, tenant = _text(claims, "oid"), _text(claims, "tid")
    if not subject or not tenant:
        raise ConsentRefused("invalid", "no identity")
    if _text(claims, "aud").lower() != client_id.lower():
        raise ConsentRefused("invalid", "audience")
    expires = claims.get("exp")
    if not isinstance(expires, int | float) or expires < now - SKEW:
        raise ConsentRefused("invalid", "expired identity")
    if issuer and claims.get("iss") != issuer.replace("{tenantid}", tenant):
        raise ConsentRefused("invalid", "issuer")
    return Identity(subject, tenant, _email(claims), _text(claims, "name"), mailbox_known="@" in _text(claims, "email"))


def _email(claims: Mapping[str, Any]) -> str:
    # "email" is the mailbox, where the directory gives it; the sign-in name looks like one and often is.
    names = (_text(claims, name) for name in ("email", "preferred_username", "upn"))
    return next((name for name in names if "@" in name), "")


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    return found.strip() if isinstance(found, str) and len(found) <= LONGEST and found.isprintable() else ""
