"""The stand-in for Microsoft Graph's mail, driven by plain HTTP: it takes, rewrites and refuses like the real one."""

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from kiota_serialization_json.json_serialization_writer import JsonSerializationWriter
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody

from deploy.local.providers.base_values import Fault, Mail
from deploy.local.providers.graph_access import Limits
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.fixtures_tls import TestCertificates
from tests.waiting import eventually

ANNA, SHARED, OTHER = "anna@contoso.example", "team@contoso.example", "other@contoso.example"
GRAPH = "https://graph.microsoft.com"
SHARING = (f"{GRAPH}/Mail.Send", f"{GRAPH}/Mail.Send.Shared")
DRAFTS = (f"{GRAPH}/Mail.Send", f"{GRAPH}/Mail.ReadWrite")
MIME = (
    b"From: Anna from the Office <anna@contoso.example>\r\nTo: Jo <jo@example.net>\r\nBcc: hidden@example.net,\r\n"
    b" second@nosuchdomain.invalid\r\nSubject: Hello\r\nMessage-ID: <1@mail.example>\r\nX-Own: 1\r\n\r\nA text.\r\n"
)


@pytest.fixture(scope="module")
def running(tls: TestCertificates) -> Iterator[MicrosoftSandbox]:
    with MicrosoftSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as made:
        yield made


@pytest.fixture
def box(running: MicrosoftSandbox) -> MicrosoftSandbox:
    running.clear_faults()
    running.calls.clear()
    running.mails.clear()
    running.graph.send_from_alias_enabled = running.graph.directory_names = False
    running.graph.traffic.limits = Limits()
    running.add_account(
        ANNA,
        "Anna Arnold",
        aliases=("info@contoso.example",),
        send_as=(SHARED,),
        on_behalf=("boss@contoso.example",),
        full_access=(SHARED, OTHER),
    )
    running.add_account(SHARED, "The Team")
    running.add_account(OTHER, "Other")
    return running


@pytest.fixture
def web(running: MicrosoftSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, verify=ssl.create_default_context(cafile=str(running.ca_file))) as made:
        yield made


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


def send_mime(web: httpx.Client, token: str, content: bytes = MIME, path: str = "/v1.0/me/sendMail") -> httpx.Response:
    return web.post(path, content=base64.b64encode(content), headers=bearer(token, **{"Content-Type": "text/plain"}))


def message(**changes: Any) -> dict[str, Any]:
    found = {
        "subject": "Grüße",
        "body": {"contentType": "text", "content": "A text."},
        "toRecipients": [{"emailAddress": {"address": "jo@example.net", "name": "Jo"}}],
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def send(web: httpx.Client, token: str, **changes: Any) -> httpx.Response:
    return web.post("/v1.0/me/sendMail", json={"message": message(**changes)}, headers=bearer(token))


def sender(address: str, name: str = "A name") -> dict[str, Any]:
    return {"emailAddress": {"address": address, "name": name}}


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, whose shape is checked."""
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "innerError"}
    assert answer.headers["request-id"] == error["innerError"]["request-id"]
    return answer.status_code, error["code"]


def parsed(mail: Mail) -> EmailMessage:
    found = message_from_bytes(mail.content, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_mime_mail_is_taken_with_all_its_fields(box, web):
    answer = web.post(
        "/v1.0/me/sendMail",
        content=base64.b64encode(MIME),
        headers=bearer(box.token(ANNA), **{"Content-Type": "text/plain", "client-request-id": "mine"}),
    )
    assert (answer.status_code, answer.content, answer.headers["client-request-id"]) == (202, b"", "mine")
    (mail,) = box.mails
    assert mail.recipients == ("jo@example.net", "hidden@example.net", "second@nosuchdomain.invalid")
    assert (mail.account, mail.sender, mail.form) == (ANNA, ANNA, "mime")
    assert mail.request_id == answer.headers["request-id"]
    assert b"Bcc" not in mail.content
    assert b"hidden" not in mail.content
    found = parsed(mail)
    assert (found["Message-ID"], found["X-Own"]) == ("<1@mail.example>", "1")
    assert (found["From"], found["Date"] is not None) == ("Anna from the Office <anna@contoso.example>", True)


def test_the_from_of_a_mime_mail_is_ignored(box, web):
    assert send_mime(web, box.token(ANNA), MIME.replace(b"<anna@", b"<info@")).status_code == 202
    assert box.mails[-1].sender == ANNA
    assert parsed(box.mails[-1])["From"] == "Anna Arnold <anna@contoso.example>"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (base64.urlsafe_b64encode(b"\xff\xfe\xfb" + MIME), "ErrorMimeContentInvalidBase64String"),
        (b'"' + base64.b64encode(MIME) + b'"', "ErrorMimeContentInvalidBase64String"),
        (MIME, "ErrorMimeContentInvalidBase64String"),
        (base64.b64encode(MIME.replace(b"\r\n", b"\n")), "ErrorMimeContentInvalid"),
        (base64.b64encode(MIME.replace(b"X-Own", b"Subject")), "ErrorMimeContentInvalid"),
        (base64.b64encode(MIME + b"x" * 999), "ErrorMimeContentInvalid"),
        (base64.b64encode(MIME.replace(b"To:", b"X-To:").replace(b"Bcc:", b"X-Bcc:")), "ErrorInvalidRecipients"),
        (base64.b64encode(MIME.replace(b"<jo@example.net>", b"<jo>")), "ErrorInvalidRecipients"),
    ],
)
def test_a_bad_mime_mail_is_refused(box, web, content, expected):
    headers = bearer(box.token(ANNA), **{"Content-Type": "text/plain"})
    assert code(web.post("/v1.0/me/sendMail", content=content, headers=headers)) == (400, expected)
    assert box.mails == []


def test_a_json_message_becomes_a_mail(box, web):
    answer = send(
        web,
        box.token(ANNA),
        body={"contentType": "html", "content": "<p>Hällo <img src='cid:logo'>"},
        bccRecipients=[{"emailAddress": {"address": "hidden@example.net"}}],
        replyTo=[{"emailAddress": {"address": "answers@example.net"}}],
        internetMessageHeaders=[{"name": "X-Own", "value": "1"}],
        internetMessageId="<2@mail.example>",
        singleValueExtendedProperties=[
            {
                "id": "String {00020386-0000-0000-C000-000000000046} Name List-Unsubscribe",
                "value": "<https://x.example>",
            },
            {"id": "String 0x1042", "value": "<1@mail.example>"},
        ],
        attachments=[
            {"@odata.type": "#microsoft.graph.fileAttachment", "name": "ü.pdf", "contentBytes": "aGk="},
            {
                "@odata.type": "#microsoft.graph.fileAttachment",
                "name": "logo.png",
                "contentType": "image/png",
                "contentBytes": "aGk=",
                "isInline": True,
                "contentId": "logo",
            },
        ],
    )
    assert (answer.status_code, answer.content) == (202, b"")
    (mail,) = box.mails
    assert (mail.recipients, mail.form) == (("jo@example.net", "hidden@example.net"), "json")
    found = parsed(mail)
    fields = ("Subject", "Reply-To", "X-Own", "Message-ID", "In-Reply-To", "List-Unsubscribe", "To", "Bcc")
    assert [found[name] for name in fields] == [
        "Grüße",
        "answers@example.net",
        "1",
        "<2@mail.example>",
        "<1@mail.example>",
        "<https://x.example>",
        "Jo <jo@example.net>",
        None,
    ]
    html = found.get_body(("html",))
    assert html is not None
    assert html.get_content().startswith("<p>Hällo")
    kinds = [part.get_content_type() for part in found.walk()]
    assert kinds == ["multipart/mixed", "multipart/related", "text/html", "image/png", "application/octet-stream"]
    assert next(found.iter_attachments()).get_content_type() != "image/png"


def test_what_microsofts_own_client_writes_is_taken(box, web):
    body = SendMailPostRequestBody(
        save_to_sent_items=False,
        message=Message(
            subject="Hello",
            body=ItemBody(content="<b>x", content_type=BodyType.Html),
            to_recipients=[Recipient(email_address=EmailAddress(address="jo@example.net"))],
            attachments=[FileAttachment(name="a.txt", content_type="text/plain", content_bytes=b"hi")],
        ),
    )
    writer = JsonSerializationWriter()
    body.serialize(writer)
    content = json.loads(writer.get_serialized_content())
    assert web.post("/v1.0/me/sendMail", json=content, headers=bearer(box.token(ANNA))).status_code == 202


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"preview": "x"}, "RequestBodyRead"),
        ({"Subject": "x"}, "RequestBodyRead"),
        ({"subject": 1}, "RequestBodyRead"),
        ({"body": {"contentType": "markdown", "content": ""}}, "RequestBodyRead"),
        ({"toRecipients": None}, "ErrorInvalidRecipients"),
        ({"toRecipients": [{"emailAddress": {"address": "jo"}}]}, "ErrorInvalidRecipients"),
        ({"toRecipients": [{"address": "jo@example.net"}]}, "RequestBodyRead"),
        ({"internetMessageHeaders": [{"name": "List-Id", "value": "x"}]}, "InvalidInternetMessageHeader"),
        (
            {"internetMessageHeaders": [{"name": f"x-{one}", "value": "x"} for one in range(6)]},
            "InvalidInternetMessageHeaderCollection",
        ),
        ({"attachments": [{"name": "a", "contentBytes": "aGk="}]}, "RequestBodyRead"),
        (
            {"attachments": [{"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "aGk"}]},
            "RequestBodyRead",
        ),
        ({"singleValueExtendedProperties": [{"id": "List-Id", "value": "x"}]}, "ErrorInvalidExtendedProperty"),
    ],
)
def test_a_message_that_does_not_fit_the_documentation_is_refused(box, web, changes, expected):
    assert code(send(web, box.token(ANNA), **changes)) == (400, expected)
    assert box.mails == []


def test_the_rest_of_the_request_is_read_strictly_too(box, web):
    def status(content: bytes, kind: str = "application/json") -> tuple[int, str]:
        headers = bearer(box.token(ANNA), **{"Content-Type": kind})
        return code(web.post("/v1.0/me/sendMail", content=content, headers=headers))

    assert status(b"{") == (400, "BadRequest")
    assert status(b'{"message": {}, "message": {}}') == (400, "BadRequest")
    assert status(b'{"saveToSentItems": true}') == (400, "ErrorInvalidParameter")
    assert status(b'{"message": {}, "saveToSentItems": "true"}') == (400, "RequestBodyRead")
    assert status(b'{"message": {}, "draft": true}') == (400, "RequestBodyRead")
    assert status(b"", "message/rfc822") == (415, "RequestBodyRead")


def test_a_from_is_obeyed_where_there_is_a_right_and_refused_elsewhere(box, web):
    token = box.token(ANNA, scopes=SHARING)
    for address in (ANNA, "info@contoso.example", SHARED, "boss@contoso.example"):
        assert send(web, token, **{"from": sender(address)}).status_code == 202
    assert [one.sender for one in box.mails] == [ANNA, ANNA, SHARED, "boss@contoso.example"]
    assert [parsed(one)["Sender"] for one in box.mails] == [None, None, None, "Anna Arnold <anna@contoso.example>"]
    assert parsed(box.mails[0])["From"] == "A name <anna@contoso.example>"
    assert code(send(web, token, **{"from": sender(OTHER)})) == (403, "ErrorSendAsDenied")
    assert code(send(web, box.token(ANNA), **{"from": sender(SHARED)})) == (403, "ErrorSendAsDenied")
    box.graph.send_from_alias_enabled = box.graph.directory_names = True
    assert send(web, token, **{"from": sender("info@contoso.example")}).status_code == 202
    assert parsed(box.mails[-1])["From"] == "Anna Arnold <info@contoso.example>"


def test_another_mailbox_needs_full_access_and_the_right_to_send(box, web):
    token = box.token(ANNA, scopes=SHARING)
    assert send_mime(web, token, path=f"/v1.0/users/{SHARED}/sendMail").status_code == 202
    assert (box.mails[-1].account, box.mails[-1].sender) == (SHARED, SHARED)
    assert code(send_mime(web, token, path=f"/v1.0/users/{OTHER}/sendMail")) == (403, "ErrorSendAsDenied")
    mine = box.token(ANNA)
    assert code(send_mime(web, mine, path=f"/v1.0/users/{SHARED}/sendMail")) == (403, "ErrorAccessDenied")
    assert send_mime(web, mine, path=f"/v1.0/users/{box.account(ANNA).subject}/sendMail").status_code == 202


def test_an_app_sends_for_the_mailboxes_of_its_tenant(box, web):
    box.add_account("x@fabrikam.example", "X")
    box.add_app("contoso.example", "app-1", secret="s", mailboxes=[ANNA])
    token = box.app_token("app-1")
    assert send_mime(web, token, path=f"/v1.0/users/{ANNA}/sendMail").status_code == 202
    assert code(send_mime(web, token)) == (400, "BadRequest")
    assert code(send_mime(web, token, path=f"/v1.0/users/{OTHER}/sendMail")) == (403, "ErrorAccessDenied")
    assert code(send_mime(web, token, path="/v1.0/users/x@fabrikam.example/sendMail")) == (404, "ErrorInvalidUser")


def test_a_token_must_be_for_graph_alive_and_enough(box, web):
    assert code(web.post("/v1.0/me/sendMail", json={})) == (401, "InvalidAuthenticationToken")
    wrong = [
        "nonsense",
        box.token(ANNA, expires_in=0),
        box.token(ANNA, scopes=["https://outlook.office.com/SMTP.Send"]),
    ]
    for token in wrong:
        answer = send_mime(web, token)
        assert code(answer) == (401, "InvalidAuthenticationToken")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert code(send_mime(web, box.token(ANNA, scopes=[f"{GRAPH}/User.Read"]))) == (403, "ErrorAccessDenied")
    token = box.token(ANNA)
    box.unlicense(ANNA)
    assert code(send_mime(web, token)) == (404, "MailboxNotEnabledForRESTAPI")
    box.enable(ANNA)
    box.revoke(ANNA)
    assert code(send_mime(web, token)) == (401, "InvalidAuthenticationToken")
    assert box.access(box.token(ANNA), "https://outlook.office.com") is None


def test_four_mebibytes_are_too_much_for_one_request(box, web):
    large = MIME + (b"x" * 76 + b"\r\n") * 41_000
    assert code(send_mime(web, box.token(ANNA), large)) == (413, "BadRequest")
    assert send_mime(web, box.token(ANNA), large[: 3 * 1024 * 1024]).status_code == 202


async def test_four_requests_of_an_app_for_a_mailbox_may_run_at_once(box):
    release = threading.Event()
    box.fault("send", Fault.hold(release), times=None, account=ANNA)
    tokens = [box.token(ANNA), box.token(OTHER)]
    verify = ssl.create_default_context(cafile=str(box.ca_file))
    async with httpx.AsyncClient(base_url=box.url, verify=verify) as web:

        async def one(token: str) -> httpx.Response:
            headers = bearer(token, **{"Content-Type": "text/plain"})
            return await web.post("/v1.0/me/sendMail", content=base64.b64encode(MIME), headers=headers)

        under_way = [asyncio.create_task(one(tokens[0])) for _ in range(4)]
        await eventually(lambda: box.calls["send"] == 4)
        fifth = await one(tokens[0])
        assert (code(fifth), fifth.headers["retry-after"]) == ((429, "ApplicationThrottled"), "1")
        assert (await one(tokens[1])).status_code == 202
        release.set()
        assert [(await task).status_code for task in under_way] == [202] * 4
    assert box.graph.traffic.highest == 4


def test_ten_thousand_requests_in_ten_minutes_are_the_limit(box, web):
    box.graph.limits.requests = len(box.graph.traffic._requests[(box.client_id, ANNA)]) + 1
    assert send_mime(web, box.token(ANNA)).status_code == 202
    answer = send_mime(web, box.token(ANNA))
    assert code(answer) == (429, "TooManyRequests")
    assert 500 < int(answer.headers["retry-after"]) <= 600


def test_what_goes_wrong_on_demand(box, web):
    token = box.token(ANNA)
    box.fault("send", box.graph_error(403, "ErrorExceededMessageLimit"), account=ANNA)
    box.fault("send", Fault.throttle("Sat, 21 Nov 2026 16:00:00 GMT", code=503))
    box.fault("send", Fault.status(202, b"", {"Retry-After": "9"}))
    first, second, third = (send_mime(web, token) for _ in range(3))
    assert (first.status_code, first.json()["error"]["code"]) == (403, "ErrorExceededMessageLimit")
    assert (second.status_code, second.headers["retry-after"]) == (503, "Sat, 21 Nov 2026 16:00:00 GMT")
    assert (third.status_code, third.headers["retry-after"], box.mails) == (202, "9", [])
    for fault, taken in [(Fault.cut_upload(), 0), (Fault.cut_before(), 0), (Fault.accept_and_cut(), 1)]:
        box.fault("send", fault)
        with pytest.raises(httpx.RemoteProtocolError):
            send_mime(web, token)
        assert len(box.mails) == taken
    box.fault("send", Fault.accept_and_hang())
    with pytest.raises(httpx.ReadTimeout):
        web.post(
            "/v1.0/me/sendMail",
            content=base64.b64encode(MIME),
            headers=bearer(token, **{"Content-Type": "text/plain"}),
            timeout=httpx.Timeout(5, read=0.1),
        )
    assert len(box.mails) == 2


def test_a_large_attachment_goes_by_an_upload_session(box, web):
    headers = bearer(box.token(ANNA, scopes=DRAFTS))
    made = web.post("/v1.0/me/messages", json=message(**{"from": sender(ANNA)}), headers=headers)
    assert (made.status_code, made.json()["isDraft"]) == (201, True)
    path = f"/v1.0/me/messages/{made.json()['id']}"
    small = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentBytes": "aGk="}
    assert web.post(f"{path}/attachments", json=small, headers=headers).status_code == 201
    data = bytes(range(256)) * 17_000
    item = {"attachmentType": "file", "name": "b.bin", "size": len(data)}
    tiny = {"AttachmentItem": {**item, "size": 1000}}
    refused = web.post(f"{path}/attachments/createUploadSession", json=tiny, headers=headers)
    assert code(refused) == (400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize")
    opened = web.post(f"{path}/attachments/createUploadSession", json={"AttachmentItem": item}, headers=headers)
    assert (opened.status_code, opened.json()["nextExpectedRanges"]) == (201, ["0-"])
    url = opened.json()["uploadUrl"]

    def put(first: int, last: int, where: str = url, **more: str) -> httpx.Response:
        about = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Content-Type": "application/octet-stream"}
        return web.put(where, content=data[first : last + 1], headers={**about, **more})

    half = 3 * 1024 * 1024
    assert put(half, len(data) - 1).status_code == 416
    assert put(0, half - 1, **headers).status_code == 401
    assert put(0, half - 1, where=url + "x").status_code == 404
    assert put(0, half - 1).json()["nextExpectedRanges"] == [f"{half}-"]
    done = put(half, len(data) - 1)
    assert (done.status_code, "Attachments(" in done.headers["location"]) == (201, True)
    assert web.post(f"{path}/send", headers=headers).status_code == 202
    (mail,) = box.mails
    assert [part.get_content() for part in parsed(mail).iter_attachments()] == [b"hi", data]
    assert mail.form == "draft"
    assert parsed(mail)["Message-ID"] == made.json()["internetMessageId"]
    assert web.get(path, headers=headers).status_code == 404
    assert dict(box.calls) == {
        "draft": 1,
        "attach": 1,
        "upload_session": 2,
        "upload": 5,
        "send:draft": 1,
        "draft:read": 1,
    }


def test_a_draft_can_be_looked_up_and_thrown_away_and_needs_more_than_sending(box, web):
    assert code(web.post("/v1.0/me/messages", json=message(), headers=bearer(box.token(ANNA))))[0] == 403
    headers = bearer(box.token(ANNA, scopes=DRAFTS))
    plain = {**headers, "Content-Type": "text/plain", "Prefer": 'IdType="ImmutableId"'}
    made = web.post("/v1.0/me/messages", content=base64.b64encode(MIME), headers=plain).json()
    assert made["internetMessageId"] == "<1@mail.example>"
    path = f"/v1.0/me/messages/{made['id']}"
    assert code(web.post(f"{path}/send", headers=headers, content=b"{}")) == (400, "BadRequest")
    box.fault("send", Fault.accept_and_cut())
    with pytest.raises(httpx.RemoteProtocolError):
        web.post(f"{path}/send", headers=headers)
    assert web.get(path, headers=headers).json()["isDraft"] is False
    assert code(web.post(f"{path}/send", headers=headers)) == (404, "ErrorItemNotFound")
    assert web.delete(path, headers=headers).status_code == 204
    assert len(box.mails) == 1


def test_a_person_steers_it_by_a_page(box, web):
    page = web.get(f"{box.control_url}/")
    assert "Anna Arnold (anna@contoso.example)" in page.text
    pressed = web.post(f"{box.control_url}/act", data={"what": "unlicense", "account": ANNA})
    assert (pressed.status_code, pressed.headers["location"]) == (303, f"/control/{box.control_key}/")
    assert code(send_mime(web, box.token(ANNA))) == (404, "MailboxNotEnabledForRESTAPI")
    web.post(f"{box.control_url}/act", data={"what": "lose"})
    with pytest.raises(httpx.RemoteProtocolError):
        send_mime(web, box.token(OTHER))
    assert "Hello – from Other" in web.get(f"{box.control_url}/").text
    assert web.get(f"{box.control_url}/mails/0").content == box.mails[0].content
    assert web.get("/control/wrong/").status_code == 404
