"""Every JSON body for Graph fits Microsoft's own models and the official description, whatever the mail holds."""

import base64
import email
import json
from dataclasses import replace
from email import policy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.fakes.smtpd_client import mail
from tests.texts import texts
from transports.errors import Code, MessageRefused
from transports.message import Attachment, Mail, Mailbox
from transports.microsoft365 import bodies
from transports.microsoft365.sizes import REQUEST, Draft, Whole, plan

pytest.importorskip("msgraph", reason="the Python package msgraph-sdk is missing")

SCHEMA = json.loads((Path(__file__).parents[1] / "golden" / "graph.schema.json").read_text())
DOMAIN = st.sampled_from(["example.net", "bücher.example", "xn--bcher-kva.example", "[192.0.2.1]"])
MAILBOX = st.builds(
    lambda local, domain, name: Mailbox(f"{local}@{domain}", name),
    st.sampled_from(["jo", "o'hara", "jo+tag", "élodie", "a..b"]),
    DOMAIN,
    texts(4),
)
MAILBOXES = st.lists(MAILBOX, max_size=3).map(tuple)
_OURS = frozenset({"date", "from", "sender", "to", "cc", "bcc", "subject", "received", "references", "return-path"})
NAME = st.from_regex(r"\A(?:[xX]-)?[A-Za-z][A-Za-z0-9-]{0,20}\Z").filter(
    lambda name: not name.lower().startswith(("content-", "resent-")) and name.lower() not in _OURS
)
CONTENT_ID = st.none() | st.from_regex(r"\A[a-z0-9.]{1,12}@[a-z]{1,9}\Z")
ATTACHMENT = st.builds(
    Attachment,
    texts(4),
    st.sampled_from(["image/png", "text/plain; charset=utf-8", "bad"]),
    st.binary(max_size=80),
    CONTENT_ID,
)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60) | st.sampled_from(
    ["é", "2026-11-21T08:00:00Z"]
)
MAILS = st.builds(
    mail,
    st.just("jo@example.net"),
    cc=MAILBOXES,
    bcc=MAILBOXES,
    reply_to=MAILBOXES,
    subject=texts(8),
    text=st.none() | texts(8),
    html=st.none() | texts(8),
    attachments=st.lists(ATTACHMENT, max_size=3).map(tuple),
    headers=st.lists(st.tuples(NAME, VALUE), max_size=8).map(tuple),
    in_reply_to=st.sampled_from([None, "<a@example.org>"]),
    references=st.sampled_from([(), ("<a@example.org>", "<b@example.org>")]),
)
PATIENT = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def model(name: str) -> Any:
    """The SDK's class, imported late: its modules are many."""
    if name == "message":
        from msgraph.generated.models.message import Message

        return Message
    if name == "fileAttachment":
        from msgraph.generated.models.file_attachment import FileAttachment

        return FileAttachment
    if name == "uploadSession":
        from msgraph.generated.users.item.messages.item.attachments.create_upload_session import (
            create_upload_session_post_request_body as session,
        )

        return session.CreateUploadSessionPostRequestBody
    from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody

    return SendMailPostRequestBody


def round_trip(name: str, body: bytes) -> Any:
    """What Microsoft's model makes of it."""
    from kiota_serialization_json.json_parse_node import JsonParseNode
    from kiota_serialization_json.json_serialization_writer import JsonSerializationWriter

    parsed: Any = JsonParseNode(json.loads(body)).get_object_value(model(name))
    assert not unknown(parsed), "members that the model does not know"
    writer = JsonSerializationWriter()
    parsed.serialize(writer)
    return json.loads(writer.get_serialized_content())


def unknown(value: Any, seen: int = 0) -> dict[str, Any]:
    """What the SDK found no place for, anywhere below."""
    if isinstance(value, list):
        return {key: found for one in value for key, found in unknown(one, seen).items()}
    store = getattr(value, "backing_store", None)
    if store is None or seen > 6:
        return dict(getattr(value, "additional_data", {}) or {})
    found = dict(getattr(value, "additional_data", {}) or {})
    for _, one in store.enumerate_():
        if not isinstance(one, str | bytes | bool | int | dict):
            found |= unknown(one, seen + 1)
    return found


def fits(name: str, value: Any) -> None:
    schema = {"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}
    problems = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value)]
    assert not problems


def test_the_description_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    with pytest.raises(AssertionError):
        fits("sendMail", {"message": {"subject": "a"}})
    with pytest.raises(AssertionError):
        round_trip("message", b'{"suject": "a"}')


@given(MAILS)
@PATIENT
def test_a_mail_as_json(sent: Mail) -> None:
    value = {"message": bodies.message(sent), "saveToSentItems": True}
    fits("sendMail", json.loads(bodies.encode(value)))
    # The metadata spells the two parameters of the action with a capital, the reference and its examples without.
    capital = {"Message": value["message"], "SaveToSentItems": True}
    again = round_trip("sendMail", bodies.encode(capital))
    again["Message"].pop("@odata.type", None)
    assert again == capital


@given(MAILS)
@PATIENT
def test_a_draft_and_what_is_attached_to_it(sent: Mail) -> None:
    draft = bodies.message(sent, draft=True)
    fits("draft", json.loads(bodies.encode(draft)))
    again = round_trip("message", bodies.encode(draft))
    again.pop("@odata.type", None)
    assert again == draft
    for given_file in sent.attachments:
        for name, value in (
            ("fileAttachment", bodies.attachment(given_file, sent)),
            ("uploadSession", bodies.upload(given_file, sent)),
        ):
            fits(name, json.loads(bodies.encode(value)))
            assert round_trip(name, bodies.encode(value)) == value


@given(MAILS)
@PATIENT
def test_everybody_is_in_the_mime_form_and_nothing_in_the_clear(sent: Mail) -> None:
    content = base64.b64decode(bodies.mime(sent), validate=True)
    parsed = email.message_from_bytes(content, policy=policy.SMTPUTF8)
    assert len(parsed.get_all("Bcc", [])) == bool(sent.bcc)
    assert json.loads(bodies.encode(bodies.message(sent)))["toRecipients"] == [
        {"emailAddress": {"address": "jo@example.net"}}
    ]


def test_all_that_json_has_a_place_for() -> None:
    sent = mail(
        "jo@example.net",
        html="<p>é</p>",
        headers=(("X-Mailroom-Event", "1"), ("Auto-Submitted", "auto-generated"), *((f"X-{n}", "v") for n in range(6))),
        in_reply_to="<a@example.org>",
        references=("<a@example.org>", "<b@example.org>"),
    )
    value = bodies.message(sent)
    assert [field["name"] for field in value["internetMessageHeaders"]] == [
        "X-Mailroom-Event",
        "X-0",
        "X-1",
        "X-2",
        "X-3",
    ]
    guid = "String {00020386-0000-0000-C000-000000000046} Name "
    assert {one["id"]: one["value"] for one in value["singleValueExtendedProperties"]} == {
        f"{guid}Auto-Submitted": "auto-generated",
        f"{guid}X-4": "v",
        f"{guid}X-5": "v",
        "String 0x1042": "<a@example.org>",
        "String 0x1039": "<a@example.org> <b@example.org>",
        "String 0x1035": sent.message_id,
    }
    assert value["body"] == {"contentType": "html", "content": "<p>é</p>"}


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": (("X-A", "b\r\nBcc: c@example.net"),)},
        {"headers": (("Bcc", "c@example.net"),)},
        {"message_id": "<a@b>\r\nX: y"},
        {"in_reply_to": "a b"},
        {"references": ("<a@b>", "<\0>")},
        {"sender": Mailbox("nobody")},
        {"attachments": (Attachment("a", "image/png", b"", "a\r\nb"),), "html": "<p>"},
    ],
)
def test_what_could_not_stand_in_a_header_is_refused_here_too(changes: dict[str, Any]) -> None:
    sent = mail("jo@example.net")
    for draft in (False, True):
        if draft and "attachments" in changes:
            continue
        with pytest.raises(MessageRefused) as refusal:
            bodies.message(replace(sent, **changes), draft=draft)
        assert refusal.value.code is Code.MESSAGE_REFUSED


@pytest.mark.parametrize("size", [0, 2_000_000, 2_230_000, 2_300_000, 2_980_000, 2_990_000, 4_000_000])
def test_no_request_is_larger_than_graph_takes(size: int) -> None:
    sent = mail("jo@example.net", attachments=(Attachment("a.bin", "application/x", b"x" * size),))
    for mailbox in ("sender@example.org", "other@example.org"):
        way = plan(sent, mailbox, large_mails=True)
        assert len(way.body) <= REQUEST
        assert isinstance(way, Draft) is (size > 2_985_000)
        if isinstance(way, Whole):
            assert way.content_type == (
                "text/plain" if mailbox.startswith("sender") and size < 2_220_000 else "application/json"
            )
