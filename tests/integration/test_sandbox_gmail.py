"""The stand-in for the Gmail API, driven by plain HTTP: it takes, rewrites and refuses what the real one does."""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy

import httpx
import pytest

from deploy.local.providers.base_values import Fault
from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.google_grants import FULL_MAIL
from tests.fixtures_tls import TestCertificates

ADA = "ada@hooli.example"
SEND = "/gmail/v1/users/me/messages/send"
UPLOAD = f"/upload{SEND}?uploadType=media"
MAIL = b"From: Ada <ada@hooli.example>\r\nTo: jo@example.net\r\nSubject: Hello\r\n\r\nA text.\r\n"


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return 1_800_000_000.0 + self.ahead


@pytest.fixture
def box(tls: TestCertificates) -> Iterator[GoogleSandbox]:
    with GoogleSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as made:
        made.add_account(ADA, "Ada Lovelace", send_as=("team@hooli.example",), aliases=("new@hooli.example",))
        yield made


@pytest.fixture
def client(box: GoogleSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.url, verify=ssl.create_default_context(cafile=str(box.ca_file))) as made:
        yield made


def raw(content: bytes) -> dict[str, str]:
    return {"raw": base64.urlsafe_b64encode(content).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def reason(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return answer.status_code, error["errors"][0]["reason"]


def test_a_mail_goes_to_its_header_recipients_without_bcc_and_with_a_new_id(
    box: GoogleSandbox, client: httpx.Client
) -> None:
    content = (
        "From: Ünal <team@hooli.example>\r\nTo: Jo <jo@example.net>, \r\n kim@example.net\r\nCc: x@müller.example\r\n"
        "Bcc: hidden@example.net\r\nMessage-ID: <mine@hooli.example>\r\nX-Kept: as\r\n\tit is\r\n\r\n.dot\r\n"
    ).encode()
    sent = client.post(SEND, json=raw(content), headers=bearer(box.token(ADA)))
    assert (sent.status_code, sent.json()["labelIds"]) == (200, ["SENT"])
    mail = box.mails[0]
    assert (mail.account, mail.sender, mail.form) == (ADA, "team@hooli.example", "raw")
    assert mail.recipients == ("jo@example.net", "kim@example.net", "x@müller.example", "hidden@example.net")
    assert tuple(word for word in (b"hidden@", b"mine@") if word not in mail.content) == (b"hidden@", b"mine@")
    assert b"X-Kept: as\r\n\tit is\r\n" in mail.content
    assert mail.content.endswith(b"\r\n\r\n.dot\r\n")
    assert mail.request_id == sent.json()["id"]


@pytest.mark.parametrize("address", ["new@hooli.example", "boss@hooli.example", "ada@example.net"])
def test_a_sender_that_is_not_accepted_is_replaced_and_nobody_says_so(
    box: GoogleSandbox, client: httpx.Client, address: str
) -> None:
    content = f"From: =?utf-8?q?Hooli_=E2=80=93_Privacy?= <{address}>\r\nTo: jo@example.net\r\n\r\n".encode()
    assert client.post(SEND, json=raw(content), headers=bearer(box.token(ADA))).status_code == 200
    sender = message_from_bytes(box.mails[0].content, policy=policy.default)["From"].addresses[0]
    assert (sender.addr_spec, sender.display_name) == (ADA, "Hooli – Privacy")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"raw": "' + base64.b64encode(b"\xfb\xff" * 30) + b'"}', (400, "invalidArgument")),
        (b'{"raw": ""}', (400, "invalidArgument")),
        (b"{", (400, "parseError")),
        (json.dumps(raw(b"Subject: x\r\n\r\n")).encode(), (400, "invalidArgument")),
        (json.dumps(raw(b"To: not an address\r\n\r\n")).encode(), (400, "invalidArgument")),
        (
            json.dumps(raw(b"To: " + b",".join(b"%d@example.net" % i for i in range(101)) + b"\r\n\r\n")).encode(),
            (400,),
        ),
        (b'{"raw": "' + b"QQ" * 2_621_440 + b'"}', (413, "uploadTooLarge")),
    ],
)
def test_a_wrong_message_is_refused(
    box: GoogleSandbox, client: httpx.Client, body: bytes, expected: tuple[object, ...]
) -> None:
    headers = {**bearer(box.token(ADA)), "Content-Type": "application/json"}
    answer = client.post(SEND, content=body, headers=headers)
    assert reason(answer)[: len(expected)] == expected
    assert box.mails == []


def test_larger_mails_go_by_media_upload(box: GoogleSandbox, client: httpx.Client) -> None:
    headers = {**bearer(box.token(ADA)), "Content-Type": "message/rfc822"}
    large = MAIL + b"x" * 70 + b"\r\n" * 6_000_000
    assert client.post(UPLOAD, content=large, headers=headers).status_code == 200
    assert (box.mails[0].form, box.mails[0].content[-100:]) == ("media", large[-100:])
    assert reason(client.post(UPLOAD, content=large * 4, headers=headers)) == (413, "uploadTooLarge")
    wrong = {**headers, "Content-Type": "text/plain"}
    assert client.post(UPLOAD, content=MAIL, headers=wrong).status_code == 400


def test_what_a_token_that_may_only_send_cannot_see(box: GoogleSandbox, client: httpx.Client) -> None:
    profile, aliases = "/gmail/v1/users/me/profile", "/gmail/v1/users/me/settings/sendAs"
    for path in (profile, aliases):
        assert reason(client.get(path, headers=bearer(box.token(ADA)))) == (403, "insufficientPermissions")
    full = bearer(box.token(ADA, scopes=[FULL_MAIL]))
    assert client.get(profile, headers=full).json()["emailAddress"] == ADA
    states = [one.get("verificationStatus") for one in client.get(aliases, headers=full).json()["sendAs"]]
    assert states == [None, "accepted", "pending"]


def test_refusals_that_are_the_accounts_or_ours(box: GoogleSandbox, client: httpx.Client) -> None:
    def sending(user: str = "me", token: str = "") -> tuple[int, str]:
        path = SEND.replace("me", user, 1) if user != "me" else SEND
        return reason(client.post(path, json=raw(MAIL), headers=bearer(token or box.token(ADA))))

    assert sending(token=box.token(ADA, expires_in=0)) == (401, "authError")
    assert reason(client.post(SEND, json=raw(MAIL))) == (401, "required")
    box.unlicense(ADA)
    assert sending() == (400, "failedPrecondition")
    box.account(ADA).consent = "blocked"
    assert sending() == (403, "domainPolicy")
    box.api_enabled = False
    assert sending() == (403, "accessNotConfigured")


def test_sixty_a_minute_and_a_daily_limit_that_early_retries_extend(box: GoogleSandbox, client: httpx.Client) -> None:
    def sending() -> httpx.Response:
        return client.post(SEND, json=raw(MAIL), headers=token)

    clock = Clock()
    box.clock = clock
    token = bearer(box.token(ADA))
    box.quotas.per_minute = 2
    assert [sending().status_code for _ in range(3)] == [200, 200, 403]
    assert reason(sending()) == (403, "userRateLimitExceeded")
    box.quotas.status = 429
    assert reason(sending()) == (429, "rateLimitExceeded")
    clock.ahead += 61
    box.quotas.per_minute = None
    assert sending().status_code == 200
    box.lock_sending(ADA, 30)
    text = "User-rate limit exceeded.  Retry after 2027-01-15T08:01:31.000Z (Mail sending)"
    assert sending().json()["error"]["message"] == text
    clock.ahead += 10
    assert "08:01:41" in sending().json()["error"]["message"]
    clock.ahead += 30
    assert sending().status_code == 200


# ----------------------------------------------------------------------------------------------------------- faults


def test_faults_by_hand_and_by_the_control_page(box: GoogleSandbox, client: httpx.Client) -> None:
    token = bearer(box.token(ADA))
    box.fault("send", Fault.throttle("2027-01-15T08:00:30.000Z"))
    answer = client.post(SEND, json=raw(MAIL), headers=token)
    assert (answer.status_code, "Retry after 2027-01-15T08:00:30.000Z" in answer.text) == (429, True)
    box.fault("send", Fault.throttle(7), account=ADA)
    assert client.post(SEND, json=raw(MAIL), headers=token).headers["Retry-After"] == "7"
    given = {"endpoint": "send", "kind": "status", "code": 503}
    assert client.post(f"{box.control_url}/fault", json=given).status_code == 200
    assert reason(client.post(SEND, json=raw(MAIL), headers=token)) == (503, "backendError")
    box.fault("send", Fault.accept_and_cut())
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(SEND, json=raw(MAIL), headers=token)
    assert len(box.mails) == 1
    arrived, release = threading.Event(), threading.Event()
    box.arrived = lambda _: arrived.set()
    box.fault("send", Fault.accept_and_hold(release))
    thread = threading.Thread(target=client.post, args=(SEND,), kwargs={"json": raw(MAIL), "headers": token})
    thread.start()
    assert arrived.wait(10)
    assert thread.is_alive()
    release.set()
    thread.join(10)
    given = {"account": ADA, "seconds": 60}
    assert client.post(f"{box.control_url}/lock_sending", json=given).status_code == 200
    assert "(Mail sending)" in client.post(SEND, json=raw(MAIL), headers=token).text
    assert client.post(f"{box.control_url}/revoke", json={"account": ADA}).status_code == 200
    assert reason(client.post(SEND, json=raw(MAIL), headers=token)) == (401, "authError")
