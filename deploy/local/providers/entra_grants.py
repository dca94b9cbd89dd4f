"""What Entra has given out: authorisation codes, refresh tokens and access tokens, and what became of each."""

import base64
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from deploy.local.providers.entra_directory import App, Directory, MicrosoftAccount, pairwise
from deploy.local.providers.entra_errors import Refused
from deploy.local.providers.entra_scopes import Wanted

DAY: Final = 86_400.0
KEY_ID: Final = "sandbox-1"


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """One key for all sandboxes of a process: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_keys() -> dict[str, Any]:
    """The key set that discovery points to (RFC 7517)."""
    found: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(signing_key().public_key()))
    return {"keys": [{**found, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}


@dataclass(slots=True)
class Code:
    """An authorisation code and all that its redemption must fit."""

    account: str
    client_id: str
    tenant: str
    redirect_uri: str
    challenge: str
    nonce: str
    wanted: Wanted
    expires: float
    used: bool = False


@dataclass(slots=True)
class Refresh:
    """A refresh token's record; ``dead`` is the refusal it gets from now on."""

    account: str
    client_id: str
    wanted: Wanted
    expires: float
    dead: int = 0


@dataclass(slots=True)
class Access:
    """An access token's record: a person's has an ``account``, an app's own has only a ``tenant``."""

    token: str = field(repr=False)
    client_id: str
    tenant: str
    resource: str
    permissions: frozenset[str]
    expires: float
    account: str = ""


class Grants:
    """Codes and tokens. ``issuer`` gives the address of the authority, without tenant."""

    def __init__(self, directory: Directory, clock: Callable[[], float], issuer: Callable[[], str]) -> None:
        self.directory = directory
        self.access_lifetime = 3600.0
        self.code_lifetime = 600.0
        self.refresh_lifetime = 90 * DAY
        self.rotation_kills = True
        self.codes: dict[str, Code] = {}
        self.refreshes: dict[str, Refresh] = {}
        self.accesses: dict[str, Access] = {}
        self._clock, self._issuer = clock, issuer

    def new_code(self, code: Code) -> str:
        """A code for what is described."""
        text = f"0.A{secrets.token_urlsafe(90)}"
        self.codes[text] = code
        return text

    def new_refresh(self, account: MicrosoftAccount, app: App, wanted: Wanted) -> str:
        """A refresh token."""
        text = f"1.A{secrets.token_urlsafe(120)}"
        self.refreshes[text] = Refresh(account.address, app.client_id, wanted, self._clock() + self.refresh_lifetime)
        return text

    def new_access(
        self,
        app: App,
        tenant: str,
        resource: str,
        permissions: frozenset[str],
        account: MicrosoftAccount | None = None,
        *,
        lifetime: float | None = None,
    ) -> Access:
        """An access token for one resource, signed like any other although nobody but this sandbox reads it."""
        now = self._clock()
        ends = now + (self.access_lifetime if lifetime is None else lifetime)
        own = frozenset(one for one in permissions if one.startswith(f"{resource}/"))
        names = sorted(one.rpartition("/")[2] for one in own)
        claims: dict[str, Any] = {
            "aud": resource,
            "iss": f"{self._issuer()}/{tenant}/",
            "iat": int(now),
            "nbf": int(now),
            "exp": int(ends),
            "appid": app.client_id,
            "tid": tenant,
            "uti": str(uuid.uuid4()),
        }
        if account is None:
            claims |= {"roles": names, "idtyp": "app"}
        else:
            claims |= {"scp": " ".join(names), "oid": account.subject, "upn": account.upn, "name": account.name}
        text = self._signed(claims)
        access = Access(text, app.client_id, tenant, resource, own, ends, account.address if account else "")
        self.accesses[text] = access
        return access

    def id_token(self, account: MicrosoftAccount, app: App, oidc: frozenset[str], nonce: str) -> str:
        """Who consented (OpenID Connect Core §2)."""
        now = int(self._clock())
        claims = {
            "aud": app.client_id,
            "iss": f"{self._issuer()}/{account.tenant}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "oid": account.subject,
            "tid": account.tenant,
            "sub": pairwise(account, app),
            "ver": "2.0",
        }
        if nonce:
            claims["nonce"] = nonce
        if "profile" in oidc:
            claims |= {"name": account.name, "preferred_username": account.upn}
        if "email" in oidc:
            claims["email"] = account.address
        return self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, signing_key(), algorithm="RS256", headers={"kid": KEY_ID})

    def account(self, name: str) -> MicrosoftAccount:
        """The account of a grant, if it may still sign in.

        Raises:
            Refused: it is gone, disabled, or refused for another reason.
        """
        account = self.directory.accounts.get(name.lower())
        if account is None:
            raise Refused(50034)
        if not account.enabled:
            raise Refused(50057)
        if account.consent == "blocked":
            raise Refused(53003)
        if account.refused:
            raise Refused(int(account.refused.upper().removeprefix("AADSTS")))
        return account

    def revoke(self, address: str) -> None:
        """All grants of a person end, as after "revoke sessions"."""
        for one in list(self.refreshes.values()):
            if one.account.lower() == address.lower():
                one.dead = one.dead or 50173

    def expire_access(self, name: str) -> None:
        """All access tokens of an account, or of an app (by client id), have expired."""
        for one in list(self.accesses.values()):
            if name.lower() in (one.account.lower(), one.client_id.lower()):
                one.expires = min(one.expires, self._clock())


def client_info(account: MicrosoftAccount) -> str:
    """Object and tenant id once more, unsigned, for clients that ask for it."""
    data = json.dumps({"uid": account.subject, "utid": account.tenant}).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
