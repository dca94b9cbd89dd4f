"""Tokens as several replicas have them: one database, one provider that kills a used refresh token at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from config.actors import OPERATOR
from config.grants import Grants
from config.oauth.microsoft import MicrosoftProvider
from config.oauth.microsoft_app import EntraApp
from config.oauth.tokens import Tokens
from config.oauth.tokens_values import TokenPolicy
from config.oauth.values import Identity, Method, Provider, TokenSet, Way
from config.secrets import Secret, SecretBox
from config.store import Store
from config.testing import KEY
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.fixtures_tls import TestCertificates
from transports.errors import AccountProblem

pytest_plugins = ("tests.fixtures_store",)

ANNA = "anna@acme.example"
REPLICAS = 8
ASKERS = 200


@pytest.fixture
def entra(tls: TestCertificates) -> Iterator[MicrosoftSandbox]:
    with MicrosoftSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as made:
        made.add_account(ANNA, "Anna")
        yield made


@pytest.fixture
async def client(entra: MicrosoftSandbox, tls: TestCertificates) -> AsyncIterator[MicrosoftProvider]:
    app = EntraApp(entra.client_id, Secret(entra.client_secret))
    made = MicrosoftProvider(app, authority=entra.authority, graph_url=entra.url, tls=tls.client_context())
    yield made
    await made.aclose()


@pytest.fixture
async def replicas_stores(store_url: str) -> AsyncIterator[list[Store]]:
    """What each replica has of the one database."""
    opened = [await Store.open(store_url, timeout=20, pool_size=2) for _ in range(REPLICAS)]
    yield opened
    for one in opened:
        await one.close()


def grants_over(store: Store) -> Grants:
    return Grants(store, SecretBox([KEY]))


async def expired(entra: MicrosoftSandbox, store: Store) -> str:
    """A grant whose access token has run out."""
    account = entra.account(ANNA)
    given = TokenSet(Secret("old"), 0.0, frozenset({"Mail.Send"}), Secret(entra.grant(ANNA)))
    identity = Identity(account.subject, account.tenant, ANNA)
    made = await grants_over(store).add_candidate(
        "acme", Provider.MICROSOFT, Method.PERSON, Way.API, given, identity, OPERATOR
    )
    return made.id


async def test_replicas_with_an_expired_token_make_one_call(
    entra: MicrosoftSandbox, client: MicrosoftProvider, replicas_stores: list[Store]
) -> None:
    grant = await expired(entra, replicas_stores[0])
    replicas = [
        Tokens(grants_over(store), {Provider.MICROSOFT: client}, holder=f"replica {number}")
        for number, store in enumerate(replicas_stores)
    ]
    asked = [replicas[number % REPLICAS].source(grant).token() for number in range(ASKERS)]
    (access,) = set(await asyncio.gather(*asked))
    assert entra.calls["token:refresh_token"] == 1
    row = await grants_over(replicas_stores[-1]).get(grant)
    assert row is not None
    assert (row.version, row.access_token) == (2, Secret(access))
    # The stored refresh token is the rotated one: the first is dead by now.
    fresh = await replicas[0].source(grant).token(refused=access)
    assert fresh != access
    assert entra.calls["token:refresh_token"] == 2


async def test_replicas_with_a_revoked_grant_find_out_once(
    entra: MicrosoftSandbox, client: MicrosoftProvider, replicas_stores: list[Store]
) -> None:
    grant = await expired(entra, replicas_stores[0])
    entra.revoke(ANNA)
    replicas = [
        Tokens(
            grants_over(store),
            {Provider.MICROSOFT: client},
            holder=f"replica {number}",
            policy=TokenPolicy(confirm=0.05),
        )
        for number, store in enumerate(replicas_stores)
    ]
    asked = [replica.source(grant).token() for replica in replicas]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(error, AccountProblem) for error in found)
    assert entra.calls["token:refresh_token"] == 2
