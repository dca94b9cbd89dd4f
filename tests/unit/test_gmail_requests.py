"""Every request is one that the discovery document describes, and has the very bytes of the mail in it."""

import asyncio
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import builders
from tests.gmail_discovery import described, document, send_method
from tests.texts import texts
from transports.addressed import addressed
from transports.errors import Code, MessageRefused
from transports.gmail.discovery import Messages, read_error
from transports.gmail.requests import LARGEST, LARGEST_RAW, Request, Requests, requests_for
from transports.message import Attachment, Mail, Mailbox
from transports.mime import needs_smtputf8, render

URL = "https://localhost:1234"
REQUESTS = Requests(Messages(URL), read_error)
BOXES = st.lists(
    st.builds(lambda n, name: Mailbox(f"r{n}@example.net", name), st.integers(0, 99), texts()), max_size=4
).map(tuple)


@st.composite
def mails(draw: st.DrawFn) -> Mail:
    to, cc, bcc = draw(BOXES), draw(BOXES), draw(BOXES)
    everyone = range(len(to + cc + bcc))
    owed = draw(st.lists(st.sampled_from(everyone), unique=True, min_size=1)) if everyone else []
    files = st.builds(Attachment, texts(), st.just("image/png"), st.binary(max_size=60), st.sampled_from([None, "a@b"]))
    return builders.mail(
        sender=Mailbox("jö@example.org" if draw(st.booleans()) else "jo@example.org", draw(texts())),
        to=to,
        cc=cc,
        bcc=bcc,
        owed=tuple(owed),
        subject=draw(texts()),
        text=draw(st.none() | texts()),
        html=draw(st.none() | texts()),
        attachments=tuple(draw(st.lists(files, max_size=2))),
        in_reply_to="<thread@acme.example>",
        references=("<thread@acme.example>",),
        headers=(("X-Mailroom-Event", "e-1"), ("Auto-Submitted", "auto-generated")),
    )


def mail_in(request: Request) -> bytes:
    assert "Authorization" not in request.headers
    assert b"threadId" not in request.body[:200]
    return described(request.method, request.url, request.headers, request.body)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(mails(), st.booleans())
def test_every_request_is_as_described_and_has_the_bytes_of_the_mail(mail: Mail, large: bool) -> None:
    if large:
        mail = replace(mail, attachments=(Attachment("a", "image/png", b"x" * LARGEST_RAW),))
    named = addressed(mail)
    content = render(named, utf8=needs_smtputf8(named), bcc=True)
    assert mail_in(REQUESTS.send(content)) == content
    assert b"\r\nReferences: <thread@acme.example>\r\n" in content


@pytest.mark.parametrize("size", [0, 1, 2, 3, LARGEST_RAW, LARGEST_RAW + 1])
def test_any_octets_in_any_number_are_carried_as_they_are(size: int) -> None:
    content = os.urandom(size)
    request = REQUESTS.send(content)
    assert mail_in(request) == content
    assert ("/upload/" in request.url) == (size > LARGEST_RAW)
    assert request.url.startswith(f"{URL}/")


def test_what_is_too_large_is_refused_before_it_is_offered() -> None:
    assert int(send_method()["mediaUpload"]["maxSize"]) == LARGEST
    assert len(REQUESTS.send(bytes(LARGEST)).body) == LARGEST
    with pytest.raises(MessageRefused) as caught:
        REQUESTS.send(bytes(LARGEST + 1))
    assert (caught.value.code, caught.value.transport) == (Code.MESSAGE_TOO_LARGE, "gmail")


def test_a_request_to_send_nothing_is_as_described_and_has_no_mail() -> None:
    assert mail_in(REQUESTS.nothing()) == b""


def test_what_the_client_says_of_its_own_carrier_is_left_out() -> None:
    assert set(REQUESTS.send(b"x").headers) == {"Accept", "Content-Type", "X-Goog-Api-Client"}


def test_the_document_is_that_of_the_method_we_have_a_permission_for() -> None:
    assert "https://www.googleapis.com/auth/gmail.send" in send_method()["scopes"]
    assert document()["version"] == "v1"


async def test_the_builder_is_made_ready_once_in_a_process() -> None:
    first, *others = await asyncio.gather(*(requests_for(URL) for _ in range(20)))
    assert all(each is first for each in others)
    assert await requests_for("https://localhost:9") is not first


def test_building_reads_one_document_and_keeps_little() -> None:
    tracemalloc.start()
    try:
        kept = Messages("https://localhost:2")
        kept.send_raw("x")
        size, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 5e6
    assert most < 10e6


def test_nobody_pays_for_google_s_client_who_does_not_send_by_gmail() -> None:
    program = (
        "import sys, transports.registry, transports.gmail.transport;"
        "assert not any(name.startswith('googleapiclient') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
