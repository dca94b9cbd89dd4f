"""A service account of an organisation, made of its JSON key. Blocking parts are for the threads of a client."""

from typing import Any, Final

from google.auth import crypt
from google.oauth2 import service_account

from config.oauth.replies import parsed
from config.oauth.values import AppCredentials

_NEEDED: Final = ("private_key", "client_email")
# The library's functions are without types.
_signer: Any = crypt.RSASigner
_credentials: Any = service_account.Credentials


def service_account_of(credentials: AppCredentials, scope: str, token_url: str) -> Any:
    """Credentials of the service account for its mailbox (domain-wide delegation).

    Of the key only the key itself and the account's name are used: where tokens are asked for is the operator's
    decision, not that of whoever entered the key.

    Raises:
        ValueError: the key has not what it must have; the sentence repeats nothing of it.
    """
    key = parsed(credentials.secret.reveal())
    if key.get("type") != "service_account" or not all(isinstance(key.get(name), str) for name in _NEEDED):
        raise ValueError("is not the JSON key of a service account")
    try:
        signer = _signer.from_string(key["private_key"], str(key.get("private_key_id") or "") or None)
    except Exception:  # noqa: BLE001 - whatever the library makes of it: its errors may repeat the key
        raise ValueError("has no private key that can be read") from None
    # The library names Google's own address as the audience, wherever the assertion goes.
    audience = {"aud": token_url}
    return _credentials(
        signer, key["client_email"], token_url, scopes=[scope], subject=credentials.mailbox, additional_claims=audience
    )
