"""Which app is calling: a client secret or a signed assertion (RFC 7521, RFC 7523), verified."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

import jwt

from deploy.local.providers.entra_directory import App, Directory
from deploy.local.providers.entra_errors import Refused

ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST: Final = 86_400


def authenticated(
    directory: Directory, fields: Mapping[str, str], authorization: str, audiences: tuple[str, ...], now: float
) -> App:
    """The app whose credentials are in the form, or in the ``Authorization`` header.

    Raises:
        Refused: there is no such app, or its credentials are wrong, expired or missing.
    """
    client_id, secret = _basic(authorization) or (fields.get("client_id", ""), fields.get("client_secret", ""))
    if not client_id:
        raise Refused(900144, "client_id")
    app = directory.apps.get(client_id)
    if app is None:
        raise Refused(700016, client_id)
    if not app.enabled:
        raise Refused(7000112, client_id)
    if fields.get("client_assertion_type") == ASSERTION and fields.get("client_assertion"):
        _assert(app, fields["client_assertion"], audiences, now)
    elif secret:
        _secret(app, secret)
    else:
        raise Refused(7000218)
    return app


def _basic(authorization: str) -> tuple[str, str] | None:
    kind, _, rest = authorization.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(7000215) from None
    return unquote_plus(name), unquote_plus(secret)


def _secret(app: App, secret: str) -> None:
    for known, good in app.secrets.items():
        if secrets.compare_digest(known.encode(), secret.encode()):
            if not good:
                raise Refused(7000222, f"'{app.client_id}'")
            return
    raise Refused(7000215, f"App '{app.client_id}'")


def _assert(app: App, assertion: str, audiences: tuple[str, ...], now: float) -> None:
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.InvalidTokenError:
        raise Refused(50012, "The assertion is not a token.") from None
    certificate = app.certificates.get(str(header.get("x5t#S256", "")).rstrip("="))
    if header.get("alg") != "PS256" or certificate is None:
        raise Refused(700027, "The key was not found by its thumbprint.")
    if not certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp():
        raise Refused(700027, "The certificate has expired.")
    key: Any = certificate.public_key()
    try:
        claims = jwt.decode(
            assertion,
            key,
            algorithms=["PS256"],
            audience=audiences,
            options={
                "require": ["aud", "exp", "iss", "jti", "sub"],
                # The sandbox has a clock of its own.
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.InvalidTokenError as error:
        raise Refused(700027, type(error).__name__) from None
    if (claims["iss"], claims["sub"]) != (app.client_id, app.client_id) or not claims["jti"]:
        raise Refused(700027, "Issuer, subject or id are not those of the app.")
    if not now < float(claims["exp"]) <= now + _LONGEST or float(claims.get("nbf", 0)) > now + 300:
        raise Refused(700024)
