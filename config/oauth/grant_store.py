"""How grants are kept, as far as the token source has to know: the implementation is :mod:`config.grants`.

Every time here is a span in seconds by the *store's* clock, one for all replicas: nothing depends on a replica's clock
being right. ``version`` counts the secrets of a grant: it goes up by one with each token set that is kept and with each
re-connection, and with nothing else. Sealed values are opened by the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from config.oauth.values import AppCredentials, Method, Provider, TokenSet, Way
from config.secrets import Secret
from transports.errors import Code


class Lease(Enum):
    """How the right to refresh was got. All of them are true, so that ``None`` alone says that it was not.

    ``OVERDUE``: another had it before and neither gave it back nor kept anything within its time. It may have crashed,
    or hold a token that it cannot store, which is newer than the one that is stored.
    """

    FREE = "free"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A grant at the moment it was read.

    ``refresh_token`` is there with a person's consent, ``app`` with an app of the organisation. ``fresh_for`` says how
    long ``access_token`` is good from now on, negative when it ran out, 0 without one. ``dead`` is why the secret of
    this version is of no use any more, ``dead_for`` how long ago that was last found out (0 while alive). ``tenant``
    is the directory that Microsoft's token is refreshed at.
    """

    id: str
    organization: str
    provider: Provider
    method: Method
    way: Way
    version: int
    tenant: str = ""
    refresh_token: Secret | None = field(default=None, repr=False)
    app: AppCredentials | None = field(default=None, repr=False)
    access_token: Secret | None = field(default=None, repr=False)
    fresh_for: float = 0.0
    dead: Code | None = None
    dead_detail: str = ""
    dead_for: float = 0.0


class GrantStore(Protocol):
    """The verbs of a token source. All raise :class:`~config.errors.StoreUnavailable` and ``SecretUnreadable``.

    After StoreUnavailable from a verb that changes something it is not known whether it was done.
    """

    async def get(self, grant: str) -> GrantRow | None:
        """The grant, ``None`` when there is none (any more)."""
        ...

    async def take_lease(self, grant: str, version: int, holder: str, seconds: float) -> Lease | None:
        """The right to refresh this version, for so long; ``None`` while another holder has it or version differs.

        One transaction. Who has it already gets it anew.
        """
        ...

    async def release(self, grant: str, holder: str) -> None:
        """Gives the lease back, if it is still this holder's."""
        ...

    async def keep(self, grant: str, version: int, holder: str, tokens: TokenSet, fresh_for: float) -> GrantRow | None:
        """Keeps what a refresh of ``version`` gave, in one transaction; ``None`` and no change if version differs.

        The version alone decides, not the lease: a rotated token that comes late is still newer than the one it came
        from. Refresh token (if there is a new one), access token and its end are written, version goes up by one, the
        grant is alive again and was refreshed now, the lease ends (whoever had it). ``tokens.expires_in`` does not
        count; ``fresh_for`` is the rest of it.
        """
        ...

    async def mark_dead(self, grant: str, version: int, holder: str, code: Code, detail: str) -> bool:
        """Notes that the secret of this version is refused, as of now, and ends the holder's lease.

        The version stays. ``False`` and no change if version differs or the lease is another's.
        """
        ...

    async def stale(self, seconds: float, limit: int) -> Sequence[str]:
        """Ids of grants in use by a person's consent, alive, kept or refreshed longer ago than so; oldest first."""
        ...
