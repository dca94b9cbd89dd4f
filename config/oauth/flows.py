"""Consents under way: what must be kept from the moment a browser leaves for the provider until it is back.

A flow is known by its *state*, the random value that goes to the provider and comes back (RFC 6749 §10.12), and it is
of use once, for ten minutes, to the session that began it and for that session's organisation. State and session are
kept as hashes only; the PKCE verifier and the nonce are sealed.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from config.actor_columns import actor as actor_of
from config.actor_columns import columns
from config.actors import Actor
from config.errors import SecretUnreadable
from config.oauth.values import Begun, Provider, Way
from config.secrets import Secret, SecretBox
from config.store import Store
from config.store_flows import FlowRows

LASTS: Final = timedelta(minutes=10)

_LONGEST: Final = 1000


class Purpose(StrEnum):
    """Why the browser was sent to the provider: to connect an account, or for an administrator to consent for all."""

    CONNECT = "connect"
    ADMIN_CONSENT = "admin_consent"


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow that came back. ``flow`` is what :meth:`config.oauth.provider.OAuthProvider.finish` asks for."""

    organization: str
    provider: Provider
    way: Way
    purpose: Purpose
    actor: Actor
    began_at: datetime
    flow: Secret = field(repr=False)


class Flows:
    """All methods raise :class:`~config.errors.StoreUnavailable`; ``now`` is the wall clock with a time zone."""

    def __init__(self, store: Store, box: SecretBox, *, now: Callable[[], datetime]) -> None:
        self._rows = FlowRows(store)
        self._box = box
        self._now = now

    async def begin(
        self,
        organization: str,
        provider: Provider,
        way: Way,
        session_token: str,
        begun: Begun,
        purpose: Purpose,
        actor: Actor,
    ) -> None:
        """Keeps a flow until it comes back; those that are too old are removed.

        Raises:
            ConfigurationError: there is no key to seal it with.
        """
        now, state = self._now(), _hash(begun.state).hex()
        values = {
            "state_hash": state,
            "organization": organization,
            "provider": provider.value,
            "way": way.value,
            "purpose": purpose.value,
            "session_hash": _hash(session_token),
            "flow_sealed": self._box.seal(begun.flow.reveal(), organization, field_of(state)),
            "began_at": now,
            **columns(actor),
        }
        await self._rows.add(values, began_after=now - LASTS)

    async def take(self, state: str, session_token: str) -> Flow | None:
        """The flow of a state, which is then used up whatever comes of it.

        ``None`` for one that is unknown, used, too old or of another session; which of these is not told. One of
        another session stays: whoever came across its address must not be able to spoil it.
        """
        if not 0 < len(state) <= _LONGEST:
            return None
        row = await self._rows.take(_hash(state).hex(), _hash(session_token))
        if row is None or self._now() - row["began_at"] >= LASTS:
            return None
        try:
            flow = self._box.open(row["flow_sealed"], row["organization"], field_of(row["state_hash"]))
        except SecretUnreadable:
            return None  # its key was taken away meanwhile: as good as too old
        return Flow(
            organization=row["organization"],
            provider=Provider(row["provider"]),
            way=Way(row["way"]),
            purpose=Purpose(row["purpose"]),
            actor=actor_of(row),
            began_at=row["began_at"],
            flow=Secret(flow),
        )


def field_of(state_hash: str) -> str:
    """What a sealed flow is bound to, beside its organisation."""
    return f"oauth_flow:{state_hash}"


def _hash(text: str) -> bytes:
    # Random values of 128 bits and more need no slow hash: nobody can guess them from this one.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
