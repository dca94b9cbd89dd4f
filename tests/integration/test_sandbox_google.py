"""The stand-in for Google, driven by Google's own clients and by plain HTTP: it refuses what the real one refuses."""

import base64
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest
import requests
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials
from google_auth_oauthlib.flow import Flow

from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.google_grants import EMAIL, FULL_MAIL, GMAIL_SEND
from tests.fixtures_tls import TestCertificates

BACK = "http://127.0.0.1:8080/oauth/google/callback"
ADA = "ada@hooli.example"
SCOPES = ["openid", EMAIL, GMAIL_SEND]
SEND = "/gmail/v1/users/me/messages/send"
MAIL = b"From: Ada <ada@hooli.example>\r\nTo: jo@example.net\r\nSubject: Hello\r\n\r\nA text.\r\n"


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return 1_800_000_000.0 + self.ahead


@pytest.fixture
def box(tls: TestCertificates) -> Iterator[GoogleSandbox]:
    with GoogleSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as made:
        made.redirect_uris.add(BACK)
        made.add_account(ADA, "Ada Lovelace", send_as=("team@hooli.example",), aliases=("new@hooli.example",))
        yield made


@pytest.fixture
def client(box: GoogleSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.url, verify=ssl.create_default_context(cafile=str(box.ca_file))) as made:
        yield made


@pytest.fixture
def google(box: GoogleSandbox) -> Iterator[Request]:
    with requests.Session() as session:
        session.verify, session.trust_env = str(box.ca_file), False
        yield Request(session)


def flow(box: GoogleSandbox, scopes: list[str] | None = None) -> Flow:
    web = {"client_id": box.client_id, "client_secret": box.client_secret}
    made = Flow.from_client_config(
        {"web": {**web, "auth_uri": box.auth_url, "token_uri": box.token_url}}, scopes or SCOPES, redirect_uri=BACK
    )
    made.oauth2session.trust_env, made.oauth2session.verify = False, str(box.ca_file)
    return made


def credentials(box: GoogleSandbox, refresh_token: str) -> Credentials:
    return Credentials(
        None,
        refresh_token=refresh_token,
        token_uri=box.token_url,
        client_id=box.client_id,
        client_secret=box.client_secret,
    )


def fields(page: str) -> dict[str, list[str]]:
    """What a form on a page would send, boxes that are ticked included."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input ([^>]*)>", page):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and value and ("hidden" in tag or "checked" in tag):
            found.setdefault(name[1], []).append(value[1])
    return found


def came_back(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    location = answer.headers["Location"]
    assert location.startswith(f"{BACK}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def raw(content: bytes) -> dict[str, str]:
    return {"raw": base64.urlsafe_b64encode(content).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def reason(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return answer.status_code, error["errors"][0]["reason"]


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    said = answer.json()
    return answer.status_code, said["error"], said["error_description"]


# ---------------------------------------------------------------------------------------------------------- consent


def test_a_person_clicks_through_and_the_client_of_google_gets_its_tokens(
    box: GoogleSandbox, client: httpx.Client, google: Request
) -> None:
    mine = flow(box)
    url, state = mine.authorization_url(access_type="offline", prompt="consent", nonce="n-1")
    chooser = client.get(url)
    assert "Ada Lovelace" in chooser.text
    consent = client.post("/signin/oauth/account", data={**fields(chooser.text), "account": ADA})
    assert fields(consent.text)["scope"] == SCOPES
    back = came_back(client.post("/signin/oauth/consent", data={**fields(consent.text), "decision": "allow"}))
    assert (back["state"], back["hd"], back["iss"]) == (state, "hooli.example", box.url)
    mine.fetch_token(code=back["code"])
    given = mine.credentials
    keys = jwt.PyJWKSet.from_dict(client.get("/oauth2/v3/certs").json())
    head = jwt.get_unverified_header(given.id_token)
    claims = jwt.decode(given.id_token, keys[head["kid"]].key, ["RS256"], audience=box.client_id, issuer=box.url)
    assert (claims["email"], claims["email_verified"], claims["hd"]) == (ADA, True, "hooli.example")
    assert (claims["sub"], claims["nonce"]) == (box.account(ADA).subject, "n-1")
    before = given.token
    given.refresh(google)
    assert given.token != before
    assert set(given.granted_scopes) == set(SCOPES)
    assert client.post(SEND, json=raw(MAIL), headers=bearer(given.token)).status_code == 200
    assert dict(box.calls) | {"authorize": 1} == box.calls
    assert (box.calls["token:authorization_code"], box.calls["token:refresh_token"], box.calls["send"]) == (1, 1, 1)


def test_a_scope_that_is_not_ticked_is_missing_and_the_exchange_succeeds(
    box: GoogleSandbox, client: httpx.Client
) -> None:
    mine = flow(box)
    url, _ = mine.authorization_url(access_type="offline", login_hint=ADA)
    consent = client.get(url)
    sent = {**fields(consent.text), "decision": "allow"}
    sent["scope"] = [scope for scope in sent["scope"] if scope != GMAIL_SEND]
    back = came_back(client.post("/signin/oauth/consent", data=sent))
    answer = exchange(client, box, back["code"], mine.code_verifier)
    assert set(answer.json()["scope"].split()) == {"openid", EMAIL}
    sending = client.post(SEND, json=raw(MAIL), headers=bearer(answer.json()["access_token"]))
    assert reason(sending) == (403, "insufficientPermissions")
    assert sending.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def exchange(
    client: httpx.Client, box: GoogleSandbox, code: str, verifier: str | None, changes: Mapping[str, str] | None = None
) -> httpx.Response:
    data = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "client_id": box.client_id,
        "client_secret": box.client_secret,
        "code_verifier": verifier or "",
        **(changes or {}),
    }
    return client.post("/token", data=data)


def test_declining_and_policies_come_back_as_errors(box: GoogleSandbox, client: httpx.Client) -> None:
    url, state = flow(box).authorization_url(login_hint=ADA)
    sent = {**fields(client.get(url).text), "decision": "decline"}
    assert came_back(client.post("/signin/oauth/consent", data=sent)) == {"state": state, "error": "access_denied"}
    box.account(ADA).consent = "blocked"
    assert came_back(client.get(url))["error"] == "admin_policy_enforced"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_id": "another"}, 401, "invalid_client"),
        ({"redirect_uri": "https://evil.example/"}, 400, "redirect_uri_mismatch"),
        ({"response_type": "token"}, 400, "invalid_request"),
        ({"scope": "https://www.googleapis.com/auth/gmail.sned"}, 400, "invalid_scope"),
        ({"code_challenge": ""}, 400, "invalid_request"),
        ({"code_challenge_method": "plain"}, 400, "invalid_request"),
        ({"prompt": "none consent"}, 400, "invalid_request"),
    ],
)
def test_a_wrong_request_is_shown_to_the_person_only(
    box: GoogleSandbox, client: httpx.Client, changes: dict[str, str], status: int, error: str
) -> None:
    url, _ = flow(box).authorization_url()
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()} | changes
    answer = client.get(f"{box.auth_url}?{urlencode(query)}")
    assert (answer.status_code, f"Error {status}: {error}" in answer.text) == (status, True)
    assert "Location" not in answer.headers


def test_a_refresh_token_comes_the_first_time_or_on_demand_only(box: GoogleSandbox, client: httpx.Client) -> None:
    def granted(**options: str) -> dict[str, Any]:
        mine = flow(box)
        url, _ = mine.authorization_url(login_hint=ADA, **options)
        answer = client.get(url)
        if answer.status_code == 200:
            answer = client.post("/signin/oauth/consent", data={**fields(answer.text), "decision": "allow"})
        given = exchange(client, box, came_back(answer)["code"], mine.code_verifier).json()
        assert isinstance(given, dict)
        return given

    assert "refresh_token" not in granted(access_type="online", prompt="consent")
    box.revoke(ADA)
    assert "refresh_token" in granted(access_type="offline")
    assert "refresh_token" not in granted(access_type="offline")
    assert "refresh_token" in granted(access_type="offline", prompt="consent")


def test_the_chooser_keeps_to_the_workspace_that_is_asked_for(box: GoogleSandbox, client: httpx.Client) -> None:
    box.add_account("jo@gmail.com", "Jo")
    url, _ = flow(box).authorization_url(hd="*")
    assert "jo@gmail.com" not in client.get(url).text
    url, _ = flow(box).authorization_url(hd="other.example")
    assert ADA not in client.get(url).text


# ----------------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client_secret": "wrong"}, (401, "invalid_client")),
        ({"client_id": "another"}, (401, "invalid_client")),
        ({"code_verifier": "x" * 43}, (400, "invalid_grant")),
        ({"code_verifier": ""}, (400, "invalid_grant")),
        ({"redirect_uri": f"{BACK}/"}, (400, "redirect_uri_mismatch")),
        ({"code": "4/none"}, (400, "invalid_grant")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type")),
    ],
)
def test_a_wrong_exchange_is_refused(
    box: GoogleSandbox, client: httpx.Client, changes: dict[str, str], expected: tuple[int, str]
) -> None:
    mine = flow(box)
    location = box.consent(mine.authorization_url()[0], ADA)
    code = parse_qs(urlsplit(location).query)["code"][0]
    assert refused(exchange(client, box, code, mine.code_verifier, changes))[:2] == expected


def test_a_code_is_good_once_and_not_for_long(box: GoogleSandbox, client: httpx.Client) -> None:
    clock = Clock()
    box.clock = clock
    mine = flow(box)
    url = mine.authorization_url()[0]
    codes = [parse_qs(urlsplit(box.consent(url, ADA)).query)["code"][0] for _ in range(2)]
    assert exchange(client, box, codes[0], mine.code_verifier).status_code == 200
    assert refused(exchange(client, box, codes[0], mine.code_verifier))[1] == "invalid_grant"
    clock.ahead += 601
    assert refused(exchange(client, box, codes[1], mine.code_verifier))[1] == "invalid_grant"


def test_every_way_a_grant_dies(box: GoogleSandbox, google: Request) -> None:
    def dies() -> str:
        with pytest.raises(RefreshError) as caught:
            credentials(box, token).refresh(google)
        return str(caught.value)

    clock = Clock()
    box.clock = clock
    for end in (box.revoke, box.change_password, box.disable):
        token = box.grant(ADA)
        credentials(box, token).refresh(google)
        end(ADA)
        assert dies().startswith("('invalid_grant: ")
        box.enable(ADA)
    token = box.grant(ADA)
    clock.ahead += 184 * 86_400
    assert "expired or revoked" in dies()
    token = box.grant(ADA)
    box.require_sign_in(ADA)
    assert "Reauthentication is needed" in dies()  # what the client makes of invalid_rapt
    box.grants.testing = True
    token = box.grant(ADA)
    clock.ahead += 7 * 86_400 + 1
    assert "expired or revoked" in dies()


def test_of_more_than_a_hundred_tokens_the_oldest_dies_silently(box: GoogleSandbox, google: Request) -> None:
    tokens = [box.grant(ADA) for _ in range(101)]
    credentials(box, tokens[1]).refresh(google)
    with pytest.raises(RefreshError, match="invalid_grant"):
        credentials(box, tokens[0]).refresh(google)


def test_our_own_credentials_are_told_from_the_grant(box: GoogleSandbox, google: Request) -> None:
    mine = credentials(box, box.grant(ADA))
    box.expire_secret()
    with pytest.raises(RefreshError) as caught:
        mine.refresh(google)
    assert caught.value.args[1]["error"] == "invalid_client"
    box.restore_secret()
    mine.refresh(google)


def test_revoking_answers_once_and_ends_both_kinds_of_token(box: GoogleSandbox, client: httpx.Client) -> None:
    box.revoke_whole_consent = False
    token, other = box.grant(ADA), box.grant(ADA)
    data = {"client_id": box.client_id, "client_secret": box.client_secret, "grant_type": "refresh_token"}
    access = client.post("/token", data={**data, "refresh_token": token}).json()["access_token"]
    assert client.post("/revoke", data={"token": token}).status_code == 200
    assert refused(client.post("/revoke", data={"token": token}))[:2] == (400, "invalid_token")
    assert refused(client.post("/token", data={**data, "refresh_token": token}))[1] == "invalid_grant"
    assert reason(client.post(SEND, json=raw(MAIL), headers=bearer(access))) == (401, "authError")
    assert client.post("/token", data={**data, "refresh_token": other}).status_code == 200
    box.revoke_whole_consent = True
    third = box.grant(ADA)
    assert client.post("/revoke", data={"token": third}).status_code == 200
    assert refused(client.post("/token", data={**data, "refresh_token": other}))[1] == "invalid_grant"


def test_a_service_account_acts_for_whom_its_administrator_allows(
    box: GoogleSandbox, client: httpx.Client, google: Request
) -> None:
    robot, key = box.add_service_account()
    info = json.loads(key)

    def token(scopes: list[str], subject: str | None, info: dict[str, str] = info) -> str:
        made = service_account.Credentials.from_service_account_info(info, scopes=scopes, subject=subject)
        made.refresh(google)
        return str(made.token)

    def refusal(scopes: list[str], subject: str, info: dict[str, str] = info) -> str:
        with pytest.raises(RefreshError) as caught:
            token(scopes, subject, info)
        return str(caught.value.args[1]["error"])

    assert refusal([GMAIL_SEND], ADA) == "unauthorized_client"
    robot.delegated["hooli.example"] = frozenset({GMAIL_SEND})
    allowed = token([GMAIL_SEND], ADA)
    assert client.post(SEND, json=raw(MAIL), headers=bearer(allowed)).status_code == 200
    assert box.mails[0].account == ADA
    assert refusal([FULL_MAIL], ADA) == "unauthorized_client"
    assert refusal([GMAIL_SEND], "nobody@hooli.example") == "invalid_grant"
    assert refusal([GMAIL_SEND, "openid"], ADA) == "invalid_scope"
    box.add_account("jo@gmail.com")
    assert refusal([GMAIL_SEND], "jo@gmail.com") == "unauthorized_client"
    robot.keys.clear()
    assert refusal([GMAIL_SEND], ADA) == "invalid_grant"
    alone = token([GMAIL_SEND], None, robot.add_key(box.token_url))
    assert reason(client.post(SEND, json=raw(MAIL), headers=bearer(alone))) == (400, "failedPrecondition")
