"""Who signed in at Google, by the ID token that came from the token endpoint. Pure.

The token came over verified TLS from where it was issued, which stands in for its signature (OpenID Connect Core 1.0
§3.1.3.7, number 6); its claims are checked all the same.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from config.oauth.provider import ConsentRefused
from config.oauth.replies import parsed
from config.oauth.values import Identity

ISSUERS: Final = frozenset({"https://accounts.google.com", "accounts.google.com"})
SKEW: Final = 600.0
"""Seconds by which our clock and theirs may differ."""
LONGEST: Final = 320


def identity(id_token: object, *, client_id: str, nonce: str, auth_url: str, now: float) -> Identity:
    """The account that consented; ``auth_url`` is where it did, and stands for the issuer at a sandbox.

    Raises:
        ConsentRefused: the ID token is missing, was not made for us or not for this consent, ran out, or names nobody
            whose address was verified.
    """
    claims = _claims(id_token)
    if claims.get("iss") not in {*ISSUERS, _origin(auth_url)}:
        raise ConsentRefused("invalid", "issuer")
    if claims.get("aud") != client_id:
        raise ConsentRefused("invalid", "audience")
    expires = claims.get("exp")
    if not isinstance(expires, int | float) or expires < now - SKEW:
        raise ConsentRefused("invalid", "expired identity")
    if not nonce or not hmac.compare_digest(_text(claims, "nonce").encode(), nonce.encode()):
        raise ConsentRefused("invalid", "nonce")
    subject, email = _text(claims, "sub"), _text(claims, "email")
    if not subject or "@" not in email:
        raise ConsentRefused("invalid", "no identity")
    if claims.get("email_verified") not in (True, "true"):
        raise ConsentRefused("invalid", "address not verified")
    return Identity(subject, _text(claims, "hd"), email, _text(claims, "name"))


def _claims(id_token: object) -> Mapping[str, Any]:
    if not isinstance(id_token, str) or id_token.count(".") != 2:
        raise ConsentRefused("invalid", "no identity")
    part = id_token.split(".")[1]
    try:
        return parsed(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode())
    except (binascii.Error, ValueError):
        raise ConsentRefused("invalid", "no identity") from None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    return found.strip() if isinstance(found, str) and len(found) <= LONGEST and found.isprintable() else ""
