"""The client of Entra ID against a server that is as strict as Entra: consents, refreshes, apps, failures."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from config.errors import ConfigurationError
from config.oauth.clients import providers
from config.oauth.microsoft import MicrosoftProvider
from config.oauth.microsoft_app import EntraApp
from config.oauth.provider import ConsentRefused
from config.oauth.values import AppCredentials, Begun, Provider, Way
from config.process import Settings
from config.secrets import Secret
from deploy.local.providers.base_values import Fault
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.consent_pages import decide
from tests.fixtures_tls import TestCertificates
from transports.errors import AccountProblem, Code, DeliveryError, PlatformProblem, Temporary, Throttled

BACK = "https://mail.example.org/oauth/microsoft/callback"
ANNA = "anna@acme.example"
APP = "0b1c2d3e-0000-4000-8000-000000000001"


@pytest.fixture
def box(tls: TestCertificates) -> Iterator[MicrosoftSandbox]:
    with MicrosoftSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as made:
        made.redirect_uris.add(BACK)
        made.add_account(ANNA, "Anna")
        yield made


@pytest.fixture(scope="module")
def app_pem() -> str:
    """An app's private key and certificate, as one text."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return (pem + certificate.public_bytes(serialization.Encoding.PEM)).decode()


@pytest.fixture
async def client(box: MicrosoftSandbox, tls: TestCertificates) -> AsyncIterator[MicrosoftProvider]:
    made = provider(box, tls.client_context())
    yield made
    await made.aclose()


def provider(box: MicrosoftSandbox, tls: ssl.SSLContext, *, seconds: float = 20.0) -> MicrosoftProvider:
    app = EntraApp(box.client_id, Secret(box.client_secret))
    return MicrosoftProvider(app, authority=box.authority, graph_url=box.url, tls=tls, call_seconds=seconds)


async def consent(box: MicrosoftSandbox, begun: Begun, choice: str = "accept") -> dict[str, str]:
    """What the browser brings back when somebody went through the consent page."""
    return await decide(box, begun.url, ANNA, choice)


@pytest.mark.parametrize(("way", "scope"), [(Way.API, "Mail.Send"), (Way.SMTP, "SMTP.Send")])
async def test_a_person_connects_an_account(
    box: MicrosoftSandbox, client: MicrosoftProvider, way: Way, scope: str
) -> None:
    begun = await client.begin(way, BACK, login_hint=ANNA, select_account=True)
    asked = dict(parse_qsl(urlsplit(begun.url).query))
    assert asked["response_mode"] == "query"
    assert asked["prompt"] == "select_account"
    assert asked["code_challenge_method"] == "S256"
    assert asked["state"] == begun.state
    tokens = await client.finish(way, begun.flow, await consent(box, begun))
    account = box.account(ANNA)
    assert tokens.identity is not None
    assert (tokens.identity.subject, tokens.identity.tenant) == (account.subject, account.tenant)
    assert (tokens.identity.email, tokens.identity.name) == (ANNA, "Anna")
    assert scope in tokens.scopes
    assert tokens.refresh_token is not None
    fresh = await client.refresh(way, tokens.refresh_token, tenant=account.tenant)
    assert fresh.refresh_token != tokens.refresh_token
    assert 3000 < fresh.expires_in < 4000


async def test_the_mailbox_is_told_where_it_is_not_what_the_account_signs_in_with(
    box: MicrosoftSandbox, client: MicrosoftProvider
) -> None:
    box.account(ANNA).upn = "anna.smith@acme.example"
    begun = await client.begin(Way.API, BACK)
    tokens = await client.finish(Way.API, begun.flow, await consent(box, begun))
    assert tokens.identity is not None
    assert (tokens.identity.email, tokens.identity.mailbox_known) == (ANNA, True)


async def test_what_is_kept_of_a_flow_is_a_secret(client: MicrosoftProvider) -> None:
    begun = await client.begin(Way.API, BACK)
    verifier = json.loads(begun.flow.reveal())["flow"]["code_verifier"]
    assert verifier not in repr(begun)
    assert verifier not in begun.url


async def test_a_code_is_good_once(box: MicrosoftSandbox, client: MicrosoftProvider) -> None:
    begun = await client.begin(Way.API, BACK)
    back = await consent(box, begun)
    await client.finish(Way.API, begun.flow, back)
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, begun.flow, back)
    assert caught.value.code == "expired"


async def test_what_comes_back_must_be_what_was_asked_for(box: MicrosoftSandbox, client: MicrosoftProvider) -> None:
    begun, other = await client.begin(Way.API, BACK), await client.begin(Way.API, BACK)
    back = await consent(box, begun)
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
    # A code of another consent: the verifier does not fit.
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, other.flow, {**back, "state": other.state})
    assert caught.value.code == "invalid"


@pytest.mark.parametrize(
    ("policy", "choice", "code", "detail"),
    [
        ("user", "decline", "declined", "AADSTS65004"),
        ("admin", "accept", "admin_consent_needed", "AADSTS90094"),
        ("blocked", "accept", "access_policy", "AADSTS53003"),
    ],
)
async def test_a_consent_that_was_not_given(
    box: MicrosoftSandbox, client: MicrosoftProvider, policy: str, choice: str, code: str, detail: str
) -> None:
    box.account(ANNA).consent = policy  # type: ignore[assignment]
    begun = await client.begin(Way.API, BACK)
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, begun.flow, await consent(box, begun, choice))
    assert (caught.value.code, caught.value.detail) == (code, detail)


async def test_a_consent_without_the_permission_to_send(box: MicrosoftSandbox, client: MicrosoftProvider) -> None:
    begun = await client.begin(Way.API, BACK)
    back = await consent(box, begun)
    claims = {"sub": "s", "nonce": dict(parse_qsl(urlsplit(begun.url).query))["nonce"]}
    box.fault("token", Fault.status(200, _tokens("openid profile", claims)))
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, begun.flow, back)
    assert (caught.value.code, caught.value.detail) == ("scope_missing", "Mail.Send")


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"aud": "another"}, "audience"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"oid": ""}, "no identity"),
    ],
)
async def test_an_identity_that_is_not_for_this_consent(
    box: MicrosoftSandbox, client: MicrosoftProvider, change: dict[str, str], detail: str
) -> None:
    begun = await client.begin(Way.API, BACK)
    back = await consent(box, begun)
    nonce = dict(parse_qsl(urlsplit(begun.url).query))["nonce"]
    right = {
        "sub": "s",
        "nonce": nonce,
        "aud": box.client_id,
        "exp": 9e9,
        "oid": "o",
        "tid": "t",
        "iss": f"{box.url}/t/v2.0",
    }
    box.fault("token", Fault.status(200, _tokens("Mail.Send", {**right, **change})))
    with pytest.raises(ConsentRefused) as caught:
        await client.finish(Way.API, begun.flow, back)
    assert (caught.value.code, caught.value.detail) == ("invalid", detail)


def _tokens(scope: str, claims: Mapping[str, object]) -> str:
    """A token endpoint's answer with these claims."""
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    answer = {"access_token": "a", "refresh_token": "r", "token_type": "Bearer", "expires_in": 3599}
    return json.dumps({**answer, "scope": scope, "id_token": f"e30.{part}.c2ln"})


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda box: box.revoke(ANNA), Code.RECONNECTION_NEEDED),
        (lambda box: box.disable(ANNA), Code.ACCOUNT_SUSPENDED),
        (lambda box: box.withdraw_consent(ANNA), Code.ADMIN_CONSENT_NEEDED),
        (lambda box: box.refuse_tokens(ANNA, 53003), Code.ACCESS_POLICY),
    ],
    ids=["revoked", "disabled", "withdrawn", "policy"],
)
async def test_a_grant_dies(box: MicrosoftSandbox, client: MicrosoftProvider, end, code: Code) -> None:
    refresh = Secret(box.grant(ANNA))
    end(box)
    with pytest.raises(AccountProblem) as caught:
        await client.refresh(Way.API, refresh, tenant=box.account(ANNA).tenant)
    assert caught.value.code is code


async def test_a_mended_account_is_not_refused_out_of_memory(box: MicrosoftSandbox, client: MicrosoftProvider) -> None:
    """msal repeats a refusal for a minute without asking, if it is let."""
    refresh = Secret(box.grant(ANNA))
    box.disable(ANNA)
    with pytest.raises(AccountProblem):
        await client.refresh(Way.API, refresh)
    box.enable(ANNA)
    assert (await client.refresh(Way.API, refresh)).access_token


async def test_our_expired_secret_is_ours(box: MicrosoftSandbox, client: MicrosoftProvider) -> None:
    refresh = Secret(box.grant(ANNA))
    box.expire_secret()
    with pytest.raises(PlatformProblem) as caught:
        await client.refresh(Way.API, refresh)
    assert (caught.value.code, caught.value.detail) == (Code.PLATFORM_CREDENTIALS, "AADSTS7000222")
    begun = await client.begin(Way.API, BACK)
    with pytest.raises(PlatformProblem):
        await client.finish(Way.API, begun.flow, await consent(box, begun))


@pytest.mark.parametrize(
    ("fault", "kind", "wait"),
    [
        (Fault.throttle(17), Throttled, 17.0),
        (Fault.throttle(), Throttled, None),
        (Fault.status(503, headers={"Retry-After": "9"}), Temporary, 9.0),
        (Fault.status(500, "<html>"), Temporary, None),
        (Fault.status(400, "<html>"), Temporary, None),
        (Fault.status(200, "[]"), Temporary, None),
        (Fault.status(302, "", {"Location": "https://localhost:1/"}), Temporary, None),
        (Fault.cut_before(), Temporary, None),
        (Fault.accept_and_cut(), Temporary, None),
    ],
)
async def test_a_token_endpoint_that_fails_says_nothing_about_the_account(
    box: MicrosoftSandbox, client: MicrosoftProvider, fault: Fault, kind: type[DeliveryError], wait: float | None
) -> None:
    refresh = Secret(box.grant(ANNA))
    box.fault("token", fault)
    with pytest.raises(kind) as caught:
        await client.refresh(Way.API, refresh)
    assert caught.value.retry_after == wait
    assert box.calls["token:refresh_token"] == 1
    assert not isinstance(caught.value, AccountProblem)


@pytest.mark.parametrize(
    "odd",
    [
        *({"expires_in": value} for value in (None, "", "abc", "3600.5", 1e12)),
        *({"id_token": "x"}, {"id_token": None}, {"client_info": "%"}),
    ],
    ids=repr,
)
async def test_a_rotated_refresh_token_is_not_lost_in_an_odd_answer(
    box: MicrosoftSandbox, client: MicrosoftProvider, odd: Mapping[str, object]
) -> None:
    answer = {"access_token": "a", "refresh_token": "rotated", "expires_in": 3600, "token_type": "Bearer", **odd}
    box.fault("token", Fault.status(200, json.dumps(answer)))
    found = await client.refresh(Way.API, Secret(box.grant(ANNA)))
    assert found.refresh_token == Secret("rotated")
    assert 0 < found.expires_in <= 86_400


@pytest.mark.parametrize("endpoint", ["discovery", "token"])
async def test_a_server_that_says_nothing_is_given_up(
    box: MicrosoftSandbox, tls: TestCertificates, endpoint: str
) -> None:
    impatient = provider(box, tls.client_context(), seconds=0.5)
    box.fault(endpoint, Fault.accept_and_hang())
    with pytest.raises(Temporary) as caught:
        await impatient.refresh(Way.API, Secret(box.grant(ANNA)))
    assert caught.value.code is Code.SIGN_IN_UNAVAILABLE
    await impatient.aclose()


async def test_discovery_that_fails_is_asked_again_and_then_kept(
    box: MicrosoftSandbox, client: MicrosoftProvider
) -> None:
    box.fault("discovery", Fault.status(503))
    with pytest.raises(Temporary):
        await client.begin(Way.API, BACK)
    for _ in range(3):
        await client.begin(Way.API, BACK)
    assert box.calls["discovery"] == 2


async def test_a_server_with_a_certificate_of_nobody_is_not_talked_to(box: MicrosoftSandbox) -> None:
    stranger = provider(box, ssl.create_default_context())
    with pytest.raises(Temporary) as caught:
        await stranger.refresh(Way.API, Secret(box.grant(ANNA)))
    assert caught.value.detail == "token endpoint tls"
    assert not box.calls
    await stranger.aclose()


async def test_many_refreshes_at_once_do_not_block_the_loop(box: MicrosoftSandbox, client: MicrosoftProvider) -> None:
    for number in range(40):
        box.add_account(f"p{number}@acme.example", "P")
    tenant = box.account(ANNA).tenant
    asked = [
        client.refresh(Way.API, Secret(box.grant(f"p{number}@acme.example")), tenant=tenant) for number in range(40)
    ]
    assert len({tokens.access_token for tokens in await asyncio.gather(*asked)}) == 40


@pytest.mark.parametrize("way", list(Way))
async def test_an_app_of_the_organization_by_secret(box: MicrosoftSandbox, client: MicrosoftProvider, way: Way) -> None:
    box.add_app("acme.example", APP, "s3cret")
    given = AppCredentials(APP, "acme.example", ANNA, Secret("s3cret"))
    tokens = await client.app_token(way, given)
    assert (tokens.refresh_token, tokens.identity) == (None, None)


async def test_an_app_by_certificate(box: MicrosoftSandbox, client: MicrosoftProvider, app_pem: str) -> None:
    box.add_app("acme.example", APP, certificate=app_pem[app_pem.index("-----BEGIN CERT") :])
    tokens = await client.app_token(
        Way.API, AppCredentials(APP, "acme.example", ANNA, Secret(app_pem), certificate=True)
    )
    assert tokens.access_token


@pytest.mark.parametrize(
    ("secret", "tenant", "certificate"),
    [
        ("wrong", "acme.example", False),
        ("s3cret", "nowhere.example", False),
        ("s3cret", "common", False),
        ("s3cret", "acme.example/../organizations", False),
        ("s3cret", "", False),
        ("no certificate", "acme.example", True),
    ],
)
async def test_credentials_of_an_organization_that_do_not_work_are_its_own_affair(
    box: MicrosoftSandbox, client: MicrosoftProvider, secret: str, tenant: str, certificate: bool
) -> None:
    box.add_app("acme.example", APP, "s3cret")
    with pytest.raises(AccountProblem) as caught:
        await client.app_token(Way.API, AppCredentials(APP, tenant, ANNA, Secret(secret), certificate=certificate))
    assert caught.value.code is Code.APP_CREDENTIALS


async def test_an_expired_secret_of_an_organization_is_its_own(
    box: MicrosoftSandbox, client: MicrosoftProvider
) -> None:
    box.add_app("acme.example", APP, "s3cret")
    box.expire_secret(APP)
    with pytest.raises(AccountProblem) as caught:
        await client.app_token(Way.API, AppCredentials(APP, "acme.example", ANNA, Secret("s3cret")))
    assert caught.value.code is Code.APP_CREDENTIALS


def test_an_administrators_consent_is_asked_for_at_organizations(client: MicrosoftProvider) -> None:
    url = client.admin_consent_url(Way.API, BACK, "st")
    assert urlsplit(url).path == "/organizations/v2.0/adminconsent"
    assert dict(parse_qsl(urlsplit(url).query)) == {
        "client_id": "5f0c7a52-8a51-4c1f-9d0e-6e3b1c0a7d11",
        "scope": "https://graph.microsoft.com/Mail.Send openid profile email offline_access",
        "redirect_uri": BACK,
        "state": "st",
    }


async def test_our_certificate_out_of_the_settings(
    box: MicrosoftSandbox, tls: TestCertificates, app_pem: str, tmp_path: Path
) -> None:
    file = tmp_path / "app.pem"
    file.write_text(app_pem)
    box.trust_certificate(app_pem[app_pem.index("-----BEGIN CERT") :])
    settings = Settings(
        microsoft_client_id=box.client_id,
        microsoft_certificate_file=file,
        microsoft_authority=box.authority,
        graph_url=box.url,
        tls_ca_file=tls.ca_file,
    )
    found = providers(settings)
    assert (found[Provider.MICROSOFT].configured, found[Provider.GOOGLE].configured) == (True, False)
    assert (await found[Provider.MICROSOFT].refresh(Way.API, Secret(box.grant(ANNA)))).access_token
    for one in found.values():
        await one.aclose()
    file.write_text("nothing")
    with pytest.raises(ConfigurationError):
        providers(settings)


async def test_without_an_app_of_ours_only_organizations_apps_get_tokens(
    box: MicrosoftSandbox, tls: TestCertificates
) -> None:
    found = MicrosoftProvider(None, authority=box.authority, graph_url=box.url, tls=tls.client_context())
    assert not found.configured
    assert found.admin_consent_url(Way.API, BACK, "st") == ""
    with pytest.raises(PlatformProblem):
        await found.refresh(Way.API, Secret("r"))
    box.add_app("acme.example", APP, "s3cret")
    assert (await found.app_token(Way.API, AppCredentials(APP, "acme.example", ANNA, Secret("s3cret")))).access_token
    assert not await found.revoke(Secret("r"))
    await found.aclose()
    with pytest.raises(Temporary):
        await found.app_token(Way.API, AppCredentials(APP, "acme.example", ANNA, Secret("s3cret")))
