"""Connected accounts: the grants of organisations, from the consent to their end at the provider.

A grant begins as a *candidate*: an account is connected, and nothing leaves by it but a test mail. It becomes the
*active* one when settings with it are put to use (:meth:`config.organizations.Organizations.configure_provider`), and
is *retired* when another takes its place or the organisation disconnects. A retired grant gives no more tokens; what
is left of it is what its revocation at the provider needs, and that goes when it is revoked, at the latest after a
week.

Secrets are sealed for the organisation, the grant and the column, so one copied elsewhere does not open.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from config import grants_rows, store_grants
from config.actor_columns import columns
from config.actors import Actor
from config.errors import SecretUnreadable
from config.grants_rows import ACCESS, SECRET, Grant, GrantState, field_of
from config.oauth.grant_store import GrantRow, Lease
from config.oauth.scopes import with_mailbox
from config.oauth.values import AppCredentials, Identity, Method, Provider, TokenSet, Way
from config.secrets import Secret, SecretBox
from config.store import Store
from config.store_grants import GrantRows
from transports.errors import Code

__all__ = ["Grant", "GrantState", "Grants", "Revocation"]

CANDIDATE_LASTS: Final = timedelta(days=1)
"""How long somebody may take from the consent to putting it to use."""
REVOKED_FOR: Final = timedelta(days=7)
"""How long a revocation is tried; then the grant is forgotten, and ends at the provider by itself."""

_CLAIMED: Final = timedelta(minutes=5)
_LONGEST_PAUSE: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Revocation:
    """A grant to be ended at its provider."""

    id: str
    provider: Provider
    refresh_token: Secret = field(repr=False)


class Grants:
    """All methods raise :class:`~config.errors.StoreUnavailable`.

    It is the :class:`~config.oauth.grant_store.GrantStore` of token sources: see there for the verbs at the end.
    Without ``now`` the time is the database's, one for all replicas; with it, what it gives (with a time zone).
    """

    def __init__(
        self,
        store: Store,
        box: SecretBox,
        *,
        now: Callable[[], datetime] | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._rows = GrantRows(store, now)
        self._box = box
        self._new_id = new_id

    async def add_candidate(
        self,
        organization: str,
        provider: Provider,
        method: Method,
        way: Way,
        given: TokenSet | AppCredentials,
        identity: Identity,
        actor: Actor,
    ) -> Grant:
        """Keeps a consent that was just given, or the credentials of an app; an earlier candidate is retired.

        Raises:
            ConfigurationError: there is no key to seal it with.
            ValueError: what is given does not fit the method, or is a consent without a refresh token.
        """
        grant, access, scopes = self._new_id(), None, frozenset[str]()
        if isinstance(given, TokenSet):
            if method is not Method.PERSON or given.refresh_token is None:
                raise ValueError("a person's consent needs a refresh token")
            secret = given.refresh_token.reveal()
            scopes = with_mailbox(provider, given.scopes, known=identity.mailbox_known)
            access = self._box.seal(given.access_token.reveal(), organization, field_of(grant, ACCESS))
        elif method is Method.APP:
            secret = grants_rows.app_text(given)
        else:
            raise ValueError("an app's credentials are for the method APP")
        sealed = self._box.seal(secret, organization, field_of(grant, SECRET))
        async with self._rows.turn(organization) as turn:
            lasts = timedelta(seconds=given.expires_in) if isinstance(given, TokenSet) else None
            values = {
                "id": grant,
                "organization": organization,
                "state": GrantState.CANDIDATE.value,
                "provider": provider.value,
                "method": method.value,
                "way": way.value,
                "subject": identity.subject,
                "tenant": identity.tenant,
                "email": identity.email,
                "name": identity.name,
                "scopes": sorted(scopes),
                "secret_sealed": sealed,
                "access_sealed": access,
                "access_expires_at": None if lasts is None else turn.now + lasts,
                "connected_at": turn.now,
                "refreshed_at": turn.now,
                **columns(actor),
            }
            await self._rows.add(turn, values)
        return grants_rows.grant_of({**store_grants.NEW, **values})

    async def candidate(self, organization: str) -> Grant | None:
        """The account that is connected and not in use yet."""
        row = await self._rows.of(organization, GrantState.CANDIDATE.value)
        return None if row is None else grants_rows.grant_of(row)

    async def active(self, organization: str) -> Grant | None:
        """The account in use."""
        row = await self._rows.of(organization, GrantState.ACTIVE.value)
        return None if row is None else grants_rows.grant_of(row)

    async def of(self, grant: str) -> Grant | None:
        """A grant by its id; of a retired one the names are gone."""
        row = await self._rows.by_id(grant)
        return None if row is None else grants_rows.grant_of(row)

    async def discard_candidate(self, organization: str) -> bool:
        """Retires the candidate; returns whether there was one."""
        async with self._rows.turn(organization) as turn:
            return await store_grants.retire(turn.connection, organization, turn.now, store_grants.CANDIDATE)

    async def to_revoke(self, limit: int = 20) -> tuple[Revocation, ...]:
        """Retired grants to be ended at their provider now; each is then to be told of as revoked, or as failed.

        No two callers, in any process, get the same one within five minutes. An account that is connected again,
        anywhere, is not among them: providers end all of an account's consents to one app together.
        """
        async with self._rows.turn("to revoke") as turn:
            await self._rows.retire_old_candidates(turn, CANDIDATE_LASTS)
            await self._rows.forget_retired(turn, REVOKED_FOR)
            rows = await self._rows.claim_retired(turn, _CLAIMED, limit)
        found = []
        for row in rows:
            try:
                token = self._box.open(row["secret_sealed"], row["organization"], field_of(row["id"], SECRET))
            except SecretUnreadable:
                continue  # a key that is missing now may be there again; if not, it is forgotten after a week
            found.append(Revocation(row["id"], Provider(row["provider"]), Secret(token)))
        return tuple(found)

    async def connected_again(self, grant: str) -> bool:
        """Whether the account of a retired grant is connected anew, anywhere: then there is nothing to be revoked."""
        return await self._rows.live_again(grant)

    async def doubt(self, grant: str) -> int:
        """After a try to end a retired grant: one that its account was connected with meanwhile may have ended, too.

        It gives no token before it was refreshed, which the next look at unused grants does. Returns how many it were.
        """
        return await self._rows.doubt(grant)

    async def revoked(self, grant: str) -> None:
        """Forgets a retired grant."""
        await self._rows.remove_retired(grant)

    async def revoke_failed(self, grant: str) -> None:
        """Puts a revocation off: one minute, then twice as long each time, up to six hours."""
        async with self._rows.turn() as turn:
            await self._rows.postpone(turn, grant, _pause)

    # What a token source needs: see config.oauth.grant_store.

    async def get(self, grant: str) -> GrantRow | None:
        """The grant with its secrets, ``None`` when there is none that gives tokens."""
        found = await self._rows.live(grant)
        return None if found is None else grants_rows.tokens_of(*found, self._box)

    async def take_lease(self, grant: str, version: int, holder: str, seconds: float) -> Lease | None:
        """The right to refresh this version, for so long."""
        overdue = await self._rows.take_lease(grant, version, holder, seconds)
        return None if overdue is None else Lease.OVERDUE if overdue else Lease.FREE

    async def release(self, grant: str, holder: str) -> None:
        """Gives the lease back, if it is still this holder's."""
        await self._rows.release(grant, holder)

    async def keep(self, grant: str, version: int, holder: str, tokens: TokenSet, fresh_for: float) -> GrantRow | None:
        """Keeps what a refresh of ``version`` gave; the scopes stay those of the consent."""
        async with self._rows.turn() as turn:
            row = await self._rows.lock(turn, grant, version)
            if row is None:
                return None
            place = row["organization"], field_of(grant, ACCESS)
            values = {
                "access_sealed": self._box.seal(tokens.access_token.reveal(), *place),
                "access_expires_at": turn.now + timedelta(seconds=fresh_for),
            }
            if tokens.refresh_token is not None and row["method"] == Method.PERSON:
                fresh = tokens.refresh_token.reveal()
                values["secret_sealed"] = self._box.seal(fresh, row["organization"], field_of(grant, SECRET))
            kept = await self._rows.keep(turn, row, values)
            return grants_rows.tokens_of(kept, turn.now, self._box)

    async def mark_dead(self, grant: str, version: int, holder: str, code: Code, detail: str) -> bool:
        """Notes that the secret of this version is refused, and ends the holder's lease."""
        return await self._rows.mark_dead(grant, version, holder, code=code.value, detail=detail)

    async def stale(self, seconds: float, limit: int) -> Sequence[str]:
        """Ids of grants in use by a person's consent, alive, refreshed longer ago than so; oldest first."""
        return await self._rows.stale(Method.PERSON.value, seconds, limit)


def _pause(tries: int) -> timedelta:
    return min(timedelta(minutes=2 ** min(tries - 1, 12)), _LONGEST_PAUSE)
