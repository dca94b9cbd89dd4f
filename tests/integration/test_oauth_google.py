"""The client of Google's tokens against a server that is as strict as Google's."""

import json
import ssl
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest

from config.oauth.google import GoogleClient, GoogleProvider, GoogleUrls
from config.oauth.provider import ConsentRefused
from config.oauth.values import AppCredentials, Begun, Way
from config.secrets import Secret
from deploy.local.providers.base_values import Fault
from deploy.local.providers.google import GoogleSandbox
from tests.fixtures_tls import TestCertificates
from transports.errors import AccountProblem, Code, DeliveryError, PlatformProblem, Temporary, Throttled

BACK = "https://mail.example.org/oauth/google/callback"
ADA = "ada@hooli.example"
SEND = "https://www.googleapis.com/auth/gmail.send"
FULL = "https://mail.google.com/"


@pytest.fixture
def box(tls: TestCertificates) -> Iterator[GoogleSandbox]:
    with GoogleSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as made:
        made.redirect_uris.add(BACK)
        made.add_account(ADA, "Ada Lovelace")
        yield made


@pytest.fixture
async def client(box: GoogleSandbox, tls: TestCertificates) -> AsyncIterator[GoogleProvider]:
    made = provider(box, tls.client_context())
    yield made
    await made.aclose()


def provider(box: GoogleSandbox, tls: ssl.SSLContext, *, seconds: float = 20.0) -> GoogleProvider:
    urls = GoogleUrls(box.auth_url, box.token_url, f"{box.url}/revoke")
    ours = GoogleClient(box.client_id, Secret(box.client_secret))
    return GoogleProvider(ours, tls=tls, urls=urls, call_seconds=seconds)


def consent(
    box: GoogleSandbox, begun: Begun, scopes: list[str] | None = None, *, decline: bool = False
) -> dict[str, str]:
    """What the browser brings back when somebody went through the consent page."""
    return dict(parse_qsl(urlsplit(box.consent(begun.url, ADA, scopes=scopes, decline=decline)).query))


@pytest.mark.parametrize(("way", "scope"), [(Way.API, SEND), (Way.SMTP, FULL)])
async def test_a_person_connects_an_account(box: GoogleSandbox, client: GoogleProvider, way: Way, scope: str) -> None:
    begun = await client.begin(way, BACK, login_hint=ADA, select_account=True)
    asked = dict(parse_qsl(urlsplit(begun.url).query))
    assert asked["scope"].split() == ["openid", "email", scope]
    assert (asked["access_type"], asked["code_challenge_method"]) == ("offline", "S256")
    assert asked["prompt"].split() == ["select_account", "consent"]
    assert "include_granted_scopes" not in asked
    tokens = await client.finish(way, begun.flow, consent(box, begun))
    account = box.account(ADA)
    assert tokens.identity is not None
    assert (tokens.identity.subject, tokens.identity.tenant) == (account.subject, "hooli.example")
    assert tokens.identity.email == ADA
    assert scope in tokens.scopes
    assert tokens.refresh_token is not None
    fresh = await client.refresh(way, tokens.refresh_token)
    assert (fresh.refresh_token, fresh.identity) == (None, None)


@pytest.mark.parametrize("relaxed", ["", "1"])
async def test_a_permission_that_was_unticked_is_noticed(
    box: GoogleSandbox, client: GoogleProvider, relaxed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a variable of oauthlib's says about changed scopes."""
    monkeypatch.setenv("OAUTHLIB_RELAX_TOKEN_SCOPE", relaxed)
    in_use = Secret(box.grant(ADA))
    begun = await client.begin(Way.API, BACK)
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, begun.flow, consent(box, begun, ["openid", "email"]))
    assert (caught.value.code, caught.value.detail) == ("scope_missing", SEND)
    # The one in use goes on.
    assert (await client.refresh(Way.API, in_use)).access_token


async def test_a_consent_that_was_declined(box: GoogleSandbox, client: GoogleProvider) -> None:
    begun = await client.begin(Way.API, BACK)
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, begun.flow, consent(box, begun, decline=True))
    assert caught.value.code == "declined"


async def test_what_comes_back_must_be_what_was_asked_for(box: GoogleSandbox, client: GoogleProvider) -> None:
    begun, other = await client.begin(Way.API, BACK), await client.begin(Way.API, BACK)
    back = consent(box, begun)
    for way, flow, query in [
        (Way.API, begun.flow, {**back, "state": "forged"}),
        (Way.API, begun.flow, {"code": back["code"]}),
        (Way.API, other.flow, back),
        (Way.SMTP, begun.flow, back),
        (Way.API, Secret("{}"), back),
        (Way.API, begun.flow, {"state": begun.state}),
    ]:
        with pytest.raises(ConsentRefused) as caught:
            await client.finish(way, flow, query)
        assert caught.value.code == "invalid"
    with pytest.raises(ConsentRefused):  # a code of another consent: the verifier does not fit
        await client.finish(Way.API, other.flow, {**back, "state": other.state})


async def test_an_identity_for_another_consent_is_refused(box: GoogleSandbox, client: GoogleProvider) -> None:
    begun = await client.begin(Way.API, BACK)
    kept = json.loads(begun.flow.reveal())
    forged = Secret(json.dumps({**kept, "nonce": "another"}))
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, forged, consent(box, begun))
    assert (caught.value.code, caught.value.detail) == ("invalid", "nonce")


async def test_a_code_is_good_once(box: GoogleSandbox, client: GoogleProvider) -> None:
    begun = await client.begin(Way.API, BACK)
    back = consent(box, begun)
    await client.finish(Way.API, begun.flow, back)
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, begun.flow, back)
    assert caught.value.code == "expired"


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda box: box.revoke(ADA), Code.RECONNECTION_NEEDED),
        (lambda box: box.change_password(ADA), Code.RECONNECTION_NEEDED),
        (lambda box: box.require_sign_in(ADA), Code.RECONNECTION_NEEDED),
        (lambda box: box.disable(ADA), Code.ACCOUNT_SUSPENDED),
    ],
    ids=["revoked", "password", "session", "disabled"],
)
async def test_a_grant_dies(box: GoogleSandbox, client: GoogleProvider, end, code: Code) -> None:
    refresh = Secret(box.grant(ADA))
    end(box)
    with pytest.raises(AccountProblem) as caught:
        await client.refresh(Way.API, refresh)
    assert caught.value.code is code
    assert sum(box.calls.values()) == 1


async def test_our_exchanged_secret_is_ours(box: GoogleSandbox, client: GoogleProvider) -> None:
    refresh = Secret(box.grant(ADA))
    box.expire_secret()
    with pytest.raises(PlatformProblem) as caught:
        await client.refresh(Way.API, refresh)
    assert (caught.value.code, caught.value.detail) == (Code.PLATFORM_CREDENTIALS, "invalid_client")
    begun = await client.begin(Way.API, BACK)
    with pytest.raises(PlatformProblem):
        await client.finish(Way.API, begun.flow, consent(box, begun))


@pytest.mark.parametrize(
    ("fault", "kind", "wait"),
    [
        (Fault.throttle(17), Throttled, 17.0),
        (Fault.status(503, headers={"Retry-After": "9"}), Temporary, 9.0),
        (Fault.status(502, "<html>"), Temporary, None),
        (Fault.status(500), Temporary, None),
        (Fault.status(400, "<html>"), Temporary, None),
        (Fault.status(200, "[]"), Temporary, None),
        (Fault.cut_before(), Temporary, None),
        (Fault.accept_and_cut(), Temporary, None),
    ],
)
async def test_a_token_endpoint_that_fails_is_asked_once_and_says_nothing_about_the_account(
    box: GoogleSandbox, client: GoogleProvider, fault: Fault, kind: type[DeliveryError], wait: float | None
) -> None:
    refresh = Secret(box.grant(ADA))
    box.fault("token", fault)
    with pytest.raises(kind) as caught:
        await client.refresh(Way.API, refresh)
    assert caught.value.retry_after == wait
    assert box.calls["token:refresh_token"] == 1
    assert not isinstance(caught.value, AccountProblem)


async def test_a_token_endpoint_that_fails_at_a_consent(box: GoogleSandbox, client: GoogleProvider) -> None:
    begun = await client.begin(Way.API, BACK)
    box.fault("token", Fault.status(503))
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, begun.flow, consent(box, begun))
    assert caught.value.code == "unavailable"


async def test_a_server_that_says_nothing_is_given_up(box: GoogleSandbox, tls: TestCertificates) -> None:
    impatient = provider(box, tls.client_context(), seconds=0.5)
    box.fault("token", Fault.accept_and_hang())
    with pytest.raises(Temporary) as caught:
        await impatient.refresh(Way.API, Secret(box.grant(ADA)))
    assert caught.value.code is Code.SIGN_IN_UNAVAILABLE
    await impatient.aclose()


async def test_a_server_with_a_certificate_of_nobody_is_not_talked_to(box: GoogleSandbox) -> None:
    stranger = provider(box, ssl.create_default_context())
    with pytest.raises(Temporary):
        await stranger.refresh(Way.API, Secret(box.grant(ADA)))
    assert not box.calls
    await stranger.aclose()


async def test_a_grant_is_given_back(box: GoogleSandbox, client: GoogleProvider) -> None:
    refresh = Secret(box.grant(ADA))
    assert await client.revoke(refresh)
    with pytest.raises(AccountProblem):
        await client.refresh(Way.API, refresh)
    assert await client.revoke(refresh)
    box.fault("revoke", Fault.status(503))
    with pytest.raises(Temporary):
        await client.revoke(refresh)


@pytest.mark.parametrize(("way", "scope"), [(Way.API, SEND), (Way.SMTP, FULL)])
async def test_a_service_account_needs_its_administrators_word(
    box: GoogleSandbox, client: GoogleProvider, way: Way, scope: str
) -> None:
    account, key = box.add_service_account()
    given = AppCredentials(account.client_id, "customer", ADA, Secret(key))
    with pytest.raises(AccountProblem) as caught:
        await client.app_token(way, given)
    assert caught.value.code is Code.ADMIN_CONSENT_NEEDED
    account.delegated["hooli.example"] = frozenset({scope})
    assert (await client.app_token(way, given)).scopes == {scope}


async def test_a_key_cannot_send_us_elsewhere(box: GoogleSandbox, client: GoogleProvider) -> None:
    account, key = box.add_service_account()
    account.delegated["hooli.example"] = frozenset({SEND})
    forged = {**json.loads(key), "token_uri": "https://169.254.169.254/token", "universe_domain": "evil.example"}
    given = AppCredentials(account.client_id, "customer", ADA, Secret(json.dumps(forged)))
    assert (await client.app_token(Way.API, given)).access_token


@pytest.mark.parametrize("change", [{"private_key": "-----BEGIN"}, {"type": "authorized_user"}, {"client_email": 7}])
async def test_a_key_that_cannot_be_used(box: GoogleSandbox, client: GoogleProvider, change: dict[str, object]) -> None:
    _, key = box.add_service_account()
    given = AppCredentials("1", "customer", ADA, Secret(json.dumps({**json.loads(key), **change})))
    with pytest.raises(AccountProblem) as caught:
        await client.app_token(Way.API, given)
    assert caught.value.code is Code.APP_CREDENTIALS
    assert not box.calls


async def test_a_service_account_that_google_does_not_know(box: GoogleSandbox, client: GoogleProvider) -> None:
    _, key = box.add_service_account()
    box.service_accounts.clear()
    with pytest.raises(AccountProblem) as caught:
        await client.app_token(Way.API, AppCredentials("1", "customer", ADA, Secret(key)))
    assert caught.value.code is Code.APP_CREDENTIALS


async def test_without_a_client_of_ours_nobody_connects(box: GoogleSandbox, tls: TestCertificates) -> None:
    found = GoogleProvider(None, tls=tls.client_context())
    assert not found.configured
    assert found.admin_consent_url(Way.API, BACK, "st") == ""
    with pytest.raises(PlatformProblem):
        await found.begin(Way.API, BACK)
    await found.aclose()
