"""What a grant's row means: what may be shown of it, and what a token source gets. The only interpreter of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from config import store_grants
from config.actor_columns import actor
from config.actors import Actor
from config.oauth.grant_store import GrantRow
from config.oauth.scopes import mailbox_known
from config.oauth.values import AppCredentials, Identity, Method, Provider, Way
from config.secrets import Secret, SecretBox
from transports.errors import Code

SECRET: Final = "secret"  # noqa: S105 - the name of a field
ACCESS: Final = "access"

Row = Mapping[str, Any]


class GrantState(StrEnum):
    """Where a grant is in its life; see :mod:`config.grants`."""

    CANDIDATE = store_grants.CANDIDATE
    ACTIVE = store_grants.ACTIVE
    RETIRED = store_grants.RETIRED


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be shown of a grant; no secrets. ``by`` is who connected it.

    ``scopes`` are those of a person's consent. ``dead`` is why its secret is of no use any more, since ``dead_at``.
    """

    id: str
    organization: str
    provider: Provider
    method: Method
    way: Way
    state: GrantState
    identity: Identity
    scopes: frozenset[str]
    connected_at: datetime
    by: Actor
    dead: Code | None = None
    dead_at: datetime | None = None


def field_of(grant: str, name: str) -> str:
    """What a sealed value of a grant is bound to, beside its organisation."""
    return f"grant:{grant}:{name}"


def grant_of(row: Row) -> Grant:
    """What may be shown of a row."""
    return Grant(
        id=row["id"],
        organization=row["organization"],
        provider=Provider(row["provider"]),
        method=Method(row["method"]),
        way=Way(row["way"]),
        state=GrantState(row["state"]),
        identity=identity_of(row),
        scopes=frozenset(row["scopes"]),
        connected_at=row["connected_at"],
        by=actor(row),
        dead=_code(row["dead_code"]),
        dead_at=row["dead_at"],
    )


def identity_of(row: Row) -> Identity:
    """Whose account a row is of."""
    known = mailbox_known(Provider(row["provider"]), Method(row["method"]), row["scopes"])
    return Identity(row["subject"], row["tenant"], row["email"], row["name"], known)


def tokens_of(row: Row, now: datetime, box: SecretBox) -> GrantRow:
    """What a token source gets of a row that was read at ``now``.

    Raises:
        SecretUnreadable: a secret cannot be opened.
    """
    method, organization = Method(row["method"]), row["organization"]
    secret, access = (
        row[column] and box.open(row[column], organization, field_of(row["id"], name))
        for column, name in (("secret_sealed", SECRET), ("access_sealed", ACCESS))
    )
    ends = row["access_expires_at"]
    return GrantRow(
        id=row["id"],
        organization=organization,
        provider=Provider(row["provider"]),
        method=method,
        way=Way(row["way"]),
        version=row["version"],
        tenant=row["tenant"],
        refresh_token=Secret(secret) if secret and method is Method.PERSON else None,
        app=_app(secret) if secret and method is Method.APP else None,
        access_token=Secret(access) if access else None,
        fresh_for=(ends - now).total_seconds() if access and ends else 0.0,
        dead=_code(row["dead_code"]),
        dead_detail=row["dead_detail"],
        dead_for=(now - row["dead_at"]).total_seconds() if row["dead_at"] else 0.0,
    )


def app_text(app: AppCredentials) -> str:
    """The credentials of an app as one text, a secret."""
    values = {"client_id": app.client_id, "tenant": app.tenant, "mailbox": app.mailbox}
    return json.dumps({**values, "secret": app.secret.reveal(), "certificate": app.certificate})


def _app(text: str) -> AppCredentials:
    values = json.loads(text)
    return AppCredentials(**{**values, "secret": Secret(values["secret"])})


def _code(name: str | None) -> Code | None:
    # A newer version may have noted a code that this one does not know.
    return None if name is None else Code(name) if name in set(Code) else Code.INTERNAL_ERROR
