"""The stand-in for Entra ID, driven by msal like a real client: consent, codes, rotation, apps, refusals."""

import base64
import hashlib
import json
import re
import secrets
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.local.providers.base_values import Fault
from deploy.local.providers.entra_errors import REASONS
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.fixtures_tls import TestCertificates

ANNA, BODO, CARA = "anna@contoso.example", "bodo@fabrikam.example", "cara@contoso.example"
SEND = "https://graph.microsoft.com/Mail.Send"
BACK = "https://mail.example.org/connect/microsoft"


class Clock:
    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="module")
def running(tls: TestCertificates) -> Iterator[MicrosoftSandbox]:
    with MicrosoftSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as made:
        made.redirect_uris.add(BACK)
        yield made


@pytest.fixture
def box(running: MicrosoftSandbox) -> MicrosoftSandbox:
    running.clear_faults()
    running.calls.clear()
    running.clock = Clock()
    running.restore_secret()
    running.add_account(ANNA, "Anna Arnold")
    running.add_account(BODO, "Bodo", consent="admin")
    running.add_account(CARA, "Cara", consent="blocked")
    for address in (ANNA, BODO, CARA):
        running.withdraw_consent(address)
    return running


@pytest.fixture
def web(running: MicrosoftSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, verify=ssl.create_default_context(cafile=str(running.ca_file))) as made:
        yield made


@pytest.fixture
def session(running: MicrosoftSandbox) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.verify = str(running.ca_file)
        yield made


def client(
    box: MicrosoftSandbox, session: requests.Session, authority: str = "", credential: object = None, app: str = ""
):
    return msal.ConfidentialClientApplication(
        app or box.client_id,
        client_credential=credential or box.client_secret,
        authority=authority or box.authority,
        instance_discovery=False,
        http_client=session,
    )


def begin(app, scopes=(SEND,), **more):
    with pytest.warns(UserWarning, match="form_post"):
        return app.initiate_auth_code_flow(list(scopes), redirect_uri=BACK, **more)


def press(web: httpx.Client, page: httpx.Response, choice: str, account: str = "", **more: str) -> httpx.Response:
    """What a person does on a page: choose, and press a button that is there."""
    assert f'value="{choice}"' in page.text
    number = re.search(r'name="request" value="([^"]+)"', page.text)
    action = re.search(r'<form method="post" action="([^"]+)"', page.text)
    assert number is not None
    assert action is not None
    return web.post(action[1], data={"request": number[1], "account": account, "choice": choice, **more})


def returned(answer: httpx.Response) -> dict[str, str]:
    """What the browser brings back to the application."""
    assert answer.status_code == 302, answer.text
    found = urlsplit(answer.headers["location"])
    assert f"{found.scheme}://{found.netloc}{found.path}" == BACK
    return {name: value[0] for name, value in parse_qs(found.query).items()}


def connected(box, web, session, scopes=(SEND,)):
    app = client(box, session)
    flow = begin(app, scopes)
    back = returned(press(web, web.get(flow["auth_uri"]), "accept", ANNA))
    return app.acquire_token_by_auth_code_flow(flow, back)


def post(web: httpx.Client, box: MicrosoftSandbox, tenant: str = "organizations", **fields: str) -> httpx.Response:
    given = {"client_id": box.client_id, "client_secret": box.client_secret, **fields}
    return web.post(f"/{tenant}/oauth2/v2.0/token", data=given)


def number(answer: httpx.Response) -> int:
    """The AADSTS number of a refusal, whose shape is checked."""
    body = answer.json()
    (found,) = body["error_codes"]
    assert body["error_description"].startswith(f"AADSTS{found}: ")
    assert {"timestamp", "trace_id", "correlation_id"} <= set(body)
    assert (body["error"], answer.status_code) == (REASONS[found].error, REASONS[found].status)
    return found


def test_a_person_consents_and_msal_gets_everything(box, web, session):
    found = connected(box, web, session, [SEND, "email"])
    assert found["scope"].split() == [SEND, "openid", "profile", "email"]
    account = box.account(ANNA)
    claims = found["id_token_claims"]
    assert (claims["oid"], claims["tid"]) == (account.subject, account.tenant)
    assert (claims["preferred_username"], claims["email"], claims["name"]) == (ANNA, ANNA, "Anna Arnold")
    keys = jwt.PyJWKSet.from_dict(web.get(f"/{account.tenant}/discovery/v2.0/keys").json())
    key = keys[jwt.get_unverified_header(found["id_token"])["kid"]]
    signed = jwt.decode(found["id_token"], key, audience=box.client_id, issuer=f"{box.url}/{account.tenant}/v2.0")
    assert signed["sub"] != account.subject
    assert found["refresh_token"]
    assert jwt.decode(found["access_token"], key, audience="https://graph.microsoft.com")["scp"] == "Mail.Send"


def test_a_form_post_comes_back_by_a_button(box, web, session):
    flow = client(box, session).initiate_auth_code_flow([SEND], redirect_uri=BACK, response_mode="form_post")
    page = press(web, web.get(flow["auth_uri"]), "accept", ANNA)
    assert f'<form method="post" action="{BACK}">' in page.text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page.text))
    assert fields["state"] == flow["state"]
    assert fields["code"]


@pytest.mark.parametrize(
    ("account", "buttons", "expected"),
    [
        (ANNA, ["decline"], "AADSTS65004"),
        (BODO, ["accept", "back:90094"], "AADSTS90094"),
        (CARA, ["accept", "back:53003"], "AADSTS53003"),
    ],
)
def test_a_consent_that_is_not_given_says_why(box, web, session, account, buttons, expected):
    app = client(box, session)
    flow = begin(app)
    page = web.get(flow["auth_uri"])
    for button in buttons:
        page = press(web, page, button, account)
    back = returned(page)
    assert back["error_description"].startswith(expected)
    assert back["state"] == flow["state"]
    assert "error" in app.acquire_token_by_auth_code_flow(flow, back)


def test_more_than_sending_needs_an_administrator_who_consents_for_everybody(box, web, session):
    scopes = [SEND, "https://graph.microsoft.com/Mail.ReadWrite"]
    page = press(web, web.get(begin(client(box, session), scopes)["auth_uri"]), "accept", ANNA)
    assert "Need admin approval" in page.text
    query = {"client_id": box.client_id, "redirect_uri": BACK, "state": "s", "scope": " ".join(scopes)}
    address = f"/organizations/v2.0/adminconsent?{urlencode(query)}"
    no = returned(press(web, web.get(address), "decline"))
    assert (no["admin_consent"], no["error"], no["state"]) == ("True", "access_denied", "s")
    tenant = box.account(ANNA).tenant
    yes = returned(press(web, web.get(address), "accept", tenant=tenant))
    assert (yes["admin_consent"], yes["tenant"], "error" in yes) == ("True", tenant, False)
    assert set(scopes) <= set(connected(box, web, session, scopes)["scope"].split())


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"client_id": "x"}, 700016), ({"redirect_uri": BACK + "/"}, 50011)],
)
def test_nobody_is_redirected_to_an_address_that_was_not_registered(box, web, session, change, expected):
    parts = urlsplit(begin(client(box, session))["auth_uri"])
    query = {**{name: value[0] for name, value in parse_qs(parts.query).items()}, **change}
    answer = web.get(f"{parts.path}?{urlencode(query)}")
    assert answer.status_code == 400
    assert f"AADSTS{expected}: " in answer.text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"scope": "https://graph.microsoft.com/Mail.Read"}, 650053),
        ({"scope": f"{SEND} https://outlook.office.com/SMTP.Send"}, 28000),
        ({"code_challenge_method": "plain"}, 9002325),
        ({"prompt": "none"}, 50058),
        ({"response_type": "token"}, 900144),
    ],
)
def test_a_request_that_is_not_right_comes_back_with_an_error(box, web, session, change, expected):
    parts = urlsplit(begin(client(box, session))["auth_uri"])
    query = {**{name: value[0] for name, value in parse_qs(parts.query).items()}, **change}
    back = returned(web.get(f"{parts.path}?{urlencode(query)}"))
    assert back["error_description"].startswith(f"AADSTS{expected}: ")


def code_for(web: httpx.Client, box: MicrosoftSandbox, verifier: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": box.client_id,
        "response_type": "code",
        "redirect_uri": BACK,
        "scope": f"{SEND} openid offline_access",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    page = web.get(f"/organizations/oauth2/v2.0/authorize?{urlencode(query)}")
    return returned(press(web, page, "accept", ANNA))["code"]


def test_a_code_is_good_once_and_for_who_began(box, web):
    verifier = secrets.token_urlsafe(48)
    fields = {"grant_type": "authorization_code", "redirect_uri": BACK, "code_verifier": verifier}
    code = code_for(web, box, verifier)
    assert number(post(web, box, **fields | {"code": code, "code_verifier": verifier[::-1]})) == 501481
    assert number(post(web, box, **fields | {"code": code, "redirect_uri": BACK + "?x"})) == 500112
    assert number(post(web, box, box.account(BODO).tenant, **fields, code=code)) == 700005
    assert number(post(web, box, **fields, code="another")) == 70000
    assert post(web, box, **fields, code=code).status_code == 200
    assert number(post(web, box, **fields, code=code)) == 54005
    late = code_for(web, box, verifier)
    box.clock.ahead = box.grants.code_lifetime + 1
    assert number(post(web, box, **fields, code=late)) == 70008
    assert box.calls["token:authorization_code"] == 7


def test_a_refresh_token_dies_when_it_was_used(box, web):
    first = box.grant(ANNA)
    second = post(web, box, grant_type="refresh_token", refresh_token=first).json()
    assert second["scope"].startswith(SEND)
    assert number(post(web, box, grant_type="refresh_token", refresh_token=first)) == 70000
    box.grants.rotation_kills = False
    again = [post(web, box, grant_type="refresh_token", refresh_token=second["refresh_token"]) for _ in range(2)]
    box.grants.rotation_kills = True
    assert [one.status_code for one in again] == [200, 200]


def test_every_death_of_a_grant_has_its_own_number(box, web):
    def refreshed(token: str, tenant: str = "organizations", **more: str) -> int:
        return number(post(web, box, tenant, grant_type="refresh_token", refresh_token=token, **more))

    idle = box.grant(ANNA)
    box.clock.ahead = 90 * 86_400 + 1
    assert refreshed(idle) == 700082
    box.clock.ahead = 0
    revoked = box.grant(ANNA)
    box.revoke(ANNA)
    assert refreshed(revoked) == 50173
    fresh = box.grant(ANNA)
    assert refreshed(fresh, box.account(BODO).tenant) == 50020
    assert refreshed(fresh, scope="https://outlook.office.com/SMTP.Send") == 65001
    box.withdraw_consent(ANNA)
    assert refreshed(fresh) == 65001
    box.grant(ANNA)
    box.refuse_tokens(ANNA, 50076)
    answer = post(web, box, grant_type="refresh_token", refresh_token=fresh)
    assert number(answer) == 50076
    assert "access_token" in json.loads(answer.json()["claims"])
    assert answer.json()["suberror"] == "basic_action"
    box.enable(ANNA)
    box.disable(ANNA)
    assert refreshed(fresh) == 50057
    box.remove(ANNA)
    assert refreshed(fresh) == 50034
    assert refreshed(box.grant(CARA)) == 53003


def test_our_own_credentials_are_checked(box, web):
    good = {"grant_type": "refresh_token", "refresh_token": box.grant(ANNA)}
    assert number(post(web, box, **good, client_secret="wrong")) == 7000215
    assert number(post(web, box, **good, client_secret="")) == 7000218
    assert number(post(web, box, **good, client_id="unknown")) == 700016
    box.expire_secret()
    assert number(post(web, box, **good)) == 7000222
    box.restore_secret()
    assert post(web, box, **good).status_code == 200


def test_what_is_no_proper_request_is_told(box, web):
    assert number(post(web, box)) == 900144
    assert number(post(web, box, grant_type="password")) == 70003
    assert number(post(web, box, "nowhere.example", grant_type="refresh_token")) == 90002
    assert number(post(web, box, grant_type="client_credentials", scope=f"{SEND}")) == 50059
    twice = "grant_type=refresh_token&grant_type=refresh_token"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert number(web.post("/organizations/oauth2/v2.0/token", content=twice, headers=form)) == 900144
    assert web.get("/nowhere.example/v2.0/.well-known/openid-configuration").json()["error"] == "invalid_tenant"


def test_an_app_of_an_organisation_signs_in_with_its_secret(box, web, session):
    box.add_app("contoso.example", "app-1", secret="s3cret")
    authority = f"{box.url}/contoso.example"
    app = client(box, session, authority, "s3cret", "app-1")
    found = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    roles = jwt.decode(found["access_token"], options={"verify_signature": False})["roles"]
    assert (roles, "refresh_token" in found) == (["Mail.Send"], False)
    elsewhere = client(box, session, f"{box.url}/fabrikam.example", "s3cret", "app-1")
    refused = elsewhere.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert refused["error_codes"] == [700016]
    short = {"client_id": "app-1", "client_secret": "s3cret", "grant_type": "client_credentials"}
    assert number(post(web, box, "contoso.example", **short, scope=SEND)) == 1002012


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A private key and a certificate in PEM, of the kind an app signs in with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(1), now + timedelta(30))
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*encoding).decode(), pem


def test_an_app_signs_in_with_a_certificate(box, web, session, certificate):
    key, pem = certificate
    box.add_app("contoso.example", "app-2", certificate=pem)
    credential = {"private_key": key, "public_certificate": pem}
    app = client(box, session, f"{box.url}/contoso.example", credential, "app-2")
    assert "access_token" in app.acquire_token_for_client(["https://graph.microsoft.com/.default"])


@pytest.mark.parametrize(
    ("claims", "header", "algorithm", "expected"),
    [
        ({"aud": "https://elsewhere.example/token"}, {}, "PS256", 700027),
        ({"exp": 1}, {}, "PS256", 700024),
        ({"exp": None}, {}, "PS256", 700027),
        ({"jti": ""}, {}, "PS256", 700027),
        ({"iss": "another"}, {}, "PS256", 700027),
        ({}, {"x5t#S256": "AAAA"}, "PS256", 700027),
        ({}, {}, "RS256", 700027),
    ],
)
def test_an_assertion_is_verified(box, web, certificate, claims, header, algorithm, expected):
    key, pem = certificate
    app = box.add_app("contoso.example", "app-3", certificate=pem)
    audience = f"{box.url}/contoso.example/oauth2/v2.0/token"
    full = {"aud": audience, "iss": "app-3", "sub": "app-3", "jti": "1", "exp": int(box.clock()) + 600, **claims}
    given = {name: value for name, value in full.items() if value is not None}
    headers = {"x5t#S256": next(iter(app.certificates)), **header}
    assertion = jwt.encode(given, key, algorithm=algorithm, headers=headers)
    fields = {
        "client_id": "app-3",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
        "grant_type": "client_credentials",
        "scope": "https://graph.microsoft.com/.default",
    }
    assert number(web.post("/contoso.example/oauth2/v2.0/token", data=fields)) == expected


def test_the_token_endpoint_fails_on_demand(box, web):
    fields = {"grant_type": "refresh_token", "refresh_token": box.grant(ANNA)}
    box.fault("token", Fault.throttle(17))
    box.fault("token:refresh_token", box.aadsts(90033), account=ANNA)
    box.fault("token", box.aadsts(50196), account=BODO)
    throttled = post(web, box, **fields)
    assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "17")
    assert number(post(web, box, **fields)) == 90033
    box.fault("token", Fault.accept_and_cut(), account=ANNA)
    with pytest.raises(httpx.RemoteProtocolError):
        post(web, box, **fields)
    assert number(post(web, box, **fields)) == 70000


def test_it_is_steered_by_http_with_the_key(box, web):
    control = urlsplit(box.control_url).path
    fault = {"endpoint": "token", "kind": "throttle", "retry_after": 3, "times": None}
    assert web.post(f"{control}/fault", json=fault).json() == {}
    assert post(web, box).headers["retry-after"] == "3"
    assert web.post(f"{control}/clear_faults").json() == {}
    assert web.post(f"{control}/refuse_tokens", json={"account": ANNA, "number": 50132}).json() == {}
    assert number(post(web, box, grant_type="refresh_token", refresh_token=box.grant(ANNA))) == 50132
    assert web.post(f"{control}/revoke", json={"account": "nobody@x.example"}).status_code == 400
    assert web.post(f"{control}/fault", json={"endpoint": "send", "kind": "explode"}).status_code == 400
    assert web.get(f"{control}/state").json()["calls"]["token:refresh_token"] == 1
    assert web.get("/control/wrong/state").status_code == 404
