"""Google's signed things: ID tokens, the keys that check them, and the assertions of service accounts (RFC 7523)."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.local.providers.google_grants import TokenRefused, dead_grant

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST: Final = 3600
_SKEW: Final = 300
_KID: Final = "sandbox-1"
_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
"""What Google's own client writes, wherever the key says that tokens are given."""


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def id_token(issuer: str, audience: str, claims: Mapping[str, Any], *, access_token: str, now: float) -> str:
    """A signed ID token (OpenID Connect Core §2) that lives for an hour; empty claims are left out."""
    digest = hashlib.sha256(access_token.encode()).digest()[:16]
    body = {
        "iss": issuer,
        "azp": audience,
        "aud": audience,
        **{name: value for name, value in claims.items() if value not in ("", None)},
        "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "iat": int(now),
        "exp": int(now) + 3600,
    }
    return jwt.encode(body, _key(), algorithm="RS256", headers={"kid": _KID})


def key_set() -> dict[str, Any]:
    """The public keys that ID tokens are signed with (RFC 7517)."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_key().public_key()))
    return {"keys": [{**public, "kid": _KID, "alg": "RS256", "use": "sig"}]}


@dataclass(slots=True)
class ServiceAccount:
    """A service account, the public halves of its keys, and what each domain's administrator lets it do.

    ``delegated`` has the allowed scopes by Workspace domain (domain-wide delegation); its client id is what they allow.
    """

    email: str
    client_id: str
    project: str
    keys: dict[str, rsa.RSAPublicKey] = field(default_factory=dict, repr=False)
    delegated: dict[str, frozenset[str]] = field(default_factory=dict)

    def add_key(self, token_url: str) -> dict[str, str]:
        """A new key, as the JSON file that Google lets an administrator download once."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = secrets.token_hex(20)
        self.keys[name] = private.public_key()
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": name,
            "private_key": pem.decode(),
            "client_email": self.email,
            "client_id": self.client_id,
            "token_uri": token_url,
            "universe_domain": "googleapis.com",
        }


@dataclass(frozen=True, slots=True)
class Assertion:
    """A checked assertion: who asks, for whom (empty: for itself), and for which scopes."""

    service_account: ServiceAccount
    subject: str
    scopes: tuple[str, ...]


def checked(assertion: str, known: Mapping[str, ServiceAccount], *, audience: str, now: float) -> Assertion:
    """The assertion, if its signature and claims are right.

    Raises:
        TokenRefused: they are not.
    """
    try:
        head = jwt.get_unverified_header(assertion)
        claimed = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise dead_grant("Bad Request") from None
    account = known.get(str(claimed.get("iss", "")))
    if account is None:
        raise dead_grant("Invalid grant: account not found")
    named = head.get("kid")
    candidates = [account.keys[named]] if named in account.keys else ([] if named else list(account.keys.values()))
    if not any(_signed(assertion, key) for key in candidates):
        raise dead_grant("Invalid JWT Signature.")
    _check_times(claimed, now)
    if claimed.get("aud") not in (audience, _AUDIENCE):
        raise dead_grant("Invalid JWT: Failed audience check.")
    scopes = tuple(str(claimed.get("scope", "")).split())
    if not scopes:
        raise TokenRefused("invalid_scope", "Empty or missing scope not allowed.")
    return Assertion(account, str(claimed.get("sub", "")), scopes)


def _signed(assertion: str, key: rsa.RSAPublicKey) -> bool:
    try:
        jwt.decode(
            assertion,
            key,
            algorithms=["RS256"],
            options={"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.InvalidTokenError:
        return False
    return True


def _check_times(claimed: Mapping[str, Any], now: float) -> None:
    issued, expires = claimed.get("iat"), claimed.get("exp")
    good = isinstance(issued, int | float) and isinstance(expires, int | float)
    if not good or expires - issued > _LONGEST or issued > now + _SKEW or expires < now - _SKEW:  # type: ignore[operator]
        raise dead_grant(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim."
        )
