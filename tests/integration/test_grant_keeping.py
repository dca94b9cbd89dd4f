"""Connected accounts that nobody uses are kept alive, the dead among them are told of, and unused grants end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.errors import StoreUnavailable
from config.grants import Grants, Revocation
from config.oauth.revoking import Revoking
from config.oauth.tokens import Tokens
from config.oauth.tokens_values import TokenPolicy
from config.oauth.values import Provider, TokenSet, Way
from config.secrets import Secret
from config.testing import Stores, candidate_grant, provider_form, stores_in, token_set
from consumer.grant_keeping import GrantKeeping
from consumer.metrics import Metrics
from tests.builders import NOON
from tests.consenting import ScriptedProvider
from tests.doubles import Told
from transports.errors import AccountProblem, Code, DeliveryError, Temporary

IDLE = timedelta(days=61)


@dataclass
class Refreshing(ScriptedProvider):
    """Gives a new token, or fails for some refresh tokens."""

    failing: dict[str, DeliveryError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    during_revocation: Callable[[], Awaitable[object]] | None = None

    async def revoke(self, refresh_token: Secret) -> bool:
        if self.during_revocation is not None:
            await self.during_revocation()
        return await super().revoke(refresh_token)

    async def refresh(self, way: Way, refresh_token: Secret, *, tenant: str = "") -> TokenSet:
        name = refresh_token.reveal()
        self.asked.append(name)
        if name in self.failing:
            raise self.failing[name]
        return token_set(f"{name}+")


class World:
    """All parts over one store, with a clock of its own."""

    def __init__(self) -> None:
        self.at = NOON
        self.told, self.metrics = Told(), Metrics("test")
        self.provider = Refreshing(Provider.GOOGLE)
        self.stores: Stores

    def open(self, stores: Stores) -> None:
        self.stores = stores
        self.keeping, self.tokens = self.replica("one")

    def replica(self, name: str) -> tuple[GrantKeeping, Tokens]:
        """What a process has."""
        providers = {Provider.GOOGLE: self.provider}
        tokens = Tokens(self.stores.grants, providers, holder=name, policy=TokenPolicy(confirm=0.0))
        revoking = Revoking(self.stores.grants, providers)
        keeping = GrantKeeping(
            tokens, revoking, self.stores.organizations, notices=self.told, metrics=self.metrics, now=lambda: self.at
        )
        return keeping, tokens

    async def connect(self, organization: str) -> str:
        """An account in use; its refresh token is the organisation's name."""
        grant = await candidate_grant(
            self.stores.grants, organization, Provider.GOOGLE, tokens=token_set(organization), subject=organization
        )
        await self.stores.organizations.configure_provider(organization, provider_form(grant))
        return grant.id


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    world = World()

    def now() -> datetime:
        return world.at

    async with stores_in(tmp_path, now=now) as stores:
        world.open(stores)
        yield world
        await world.tokens.aclose()


async def test_what_nobody_used_for_two_months_is_refreshed_once_by_all_replicas_and_then_left_alone(w: World) -> None:
    await w.connect("idle")
    w.at += IDLE
    await w.connect("fresh")
    other, _ = w.replica("two")
    await w.keeping.refresh_idle()
    await other.refresh_idle()
    assert w.provider.asked == ["idle"]
    assert w.told.said == []
    w.at += IDLE
    later, _ = w.replica("started since")
    await later.refresh_idle()
    assert w.provider.asked[1:] == ["idle+", "fresh"], "with the refresh token that came the first time"


async def test_one_that_turns_out_to_be_dead_suspends_its_organisation_and_the_others_are_refreshed(w: World) -> None:
    for organization in ("gone", "well"):
        await w.connect(organization)
    w.provider.failing["gone"] = AccountProblem(Code.RECONNECTION_NEEDED, "invalid_grant")
    w.at += IDLE
    await w.keeping.refresh_idle()
    assert w.provider.asked == ["gone", "gone", "well"], "a refusal is confirmed once"
    assert w.told.said == [("suspended", "gone", Code.RECONNECTION_NEEDED)]
    settings = await w.stores.organizations.get("gone")
    assert settings is not None
    assert settings.suspension is not None
    assert settings.suspension.retry_at == w.at + timedelta(hours=1)
    await w.keeping.refresh_idle()
    assert len(w.provider.asked) == 3, "not again and again"
    assert len(w.told.said) == 1


async def test_a_provider_that_is_away_suspends_nobody(w: World) -> None:
    for organization in ("one", "two"):
        await w.connect(organization)
        w.provider.failing[organization] = Temporary(Code.SIGN_IN_UNAVAILABLE)
    w.at += IDLE
    await w.keeping.refresh_idle()
    assert w.provider.asked == ["one"], "nor is it asked for the next one"
    assert dict(await w.stores.organizations.suspended()) == {}


async def test_a_grant_that_nobody_needs_is_taken_back_and_one_that_cannot_be_is_tried_again(w: World) -> None:
    grant = await w.connect("acme")
    await w.keeping.revoke()
    await w.stores.organizations.disconnect("acme")
    w.provider.unreachable = Temporary(Code.SIGN_IN_UNAVAILABLE)
    await w.keeping.revoke()
    assert await w.stores.grants.of(grant) is not None
    w.provider.unreachable = None
    w.at += timedelta(minutes=10)
    await w.keeping.revoke()
    assert w.provider.revoked == ["acme"]
    assert await w.stores.grants.of(grant) is None
    assert b"mailroom_grants_ended_total 1.0" in w.metrics.exposition()


@dataclass
class BeforeEnding:
    """What grants are told, with something that happens between the beginning of a round and a revocation."""

    grants: Grants
    happens: Callable[[], Awaitable[object]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.grants, name)

    async def to_revoke(self, limit: int = 20) -> Sequence[Revocation]:
        found = await self.grants.to_revoke(limit)
        await self.happens()
        return found


async def test_an_account_that_is_connected_anew_before_its_turn_is_not_revoked(w: World) -> None:
    await w.connect("acme")
    await w.stores.organizations.disconnect("acme")
    grants = BeforeEnding(w.stores.grants, lambda: w.connect("acme"))
    assert await Revoking(grants, {Provider.GOOGLE: w.provider}).run() == 1
    assert w.provider.revoked == []


async def test_an_account_that_is_connected_anew_during_a_revocation_is_refreshed_at_once(w: World) -> None:
    await w.connect("acme")
    await w.stores.organizations.disconnect("acme")

    async def again() -> None:
        await w.connect("acme")
        w.provider.failing["acme"] = AccountProblem(Code.RECONNECTION_NEEDED, "invalid_grant")

    w.provider.during_revocation = again
    await w.keeping.revoke()
    assert w.provider.revoked == ["acme"]
    assert w.told.said == [("suspended", "acme", Code.RECONNECTION_NEEDED)]


class Away:
    """A store that does not answer."""

    async def stale(self, seconds: float, limit: int) -> None:
        raise StoreUnavailable("away")

    async def to_revoke(self, limit: int = 20) -> None:
        raise StoreUnavailable("away")


async def test_a_store_that_is_away_ends_no_round_with_an_error(w: World) -> None:
    away = Away()
    tokens = Tokens(away, {}, holder="one")  # type: ignore[arg-type]  # no other verb is reached
    revoking = Revoking(away, {})  # type: ignore[arg-type]
    keeping = GrantKeeping(
        tokens, revoking, w.stores.organizations, notices=w.told, metrics=w.metrics, now=lambda: w.at
    )
    await keeping.refresh_idle()
    await keeping.revoke()
