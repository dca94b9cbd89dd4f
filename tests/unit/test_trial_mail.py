"""The test mail: complete, in the reader's language, and harmless whatever an organisation entered."""

import dataclasses
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html.parser import HTMLParser

import pytest

from config.actors import OPERATOR, Actor, ActorKind
from config.languages import texts
from config.trial_mail import compose, line
from config.trial_values import Trial, TrialState, TrialSubject
from transports.message import Mailbox
from transports.mime import render

JO = Actor(ActorKind.ADMINISTRATOR, "Jo Doe", "jo@acme.example")
SENDER = Mailbox("notifications@acme.example", "Acme")
TO = Mailbox("jo@acme.example", "Jo Doe")
CODE = "ABCDE01234"
TRIAL = Trial(
    id="0123456789abcdef",
    organization="acme",
    subject=TrialSubject.CANDIDATE,
    state=TrialState.RUNNING,
    kind="smtp",
    server="mail.acme.example:587",
    sender=SENDER.address,
    actor=JO,
    began_at=datetime(2026, 11, 21, 8, 30, tzinfo=UTC),
)
EVIL = '<img src=x onerror="alert(1)">&\r\nBcc: eve@evil.example\r\n\r\n\u202egnp.exe'


def made(*, language="en", base_url="https://mail.example/", sender=SENDER, to=TO, **changes):
    trial = dataclasses.replace(TRIAL, **changes)
    return compose(trial, sender=sender, to=to, code=CODE, base_url=base_url, texts=texts(language))


def read(mail):
    return message_from_bytes(render(mail, utf8=False), policy=policy.default)


class Page(HTMLParser):
    """The text of a page, its links, and every element it has."""

    def __init__(self, text):
        super().__init__()
        self.text, self.links, self.elements = [], [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text.append(data)


def test_it_goes_to_the_administrator_alone_from_the_sender_with_its_alias():
    mail = made()
    message = read(mail)
    assert mail.recipients() == ((0, TO),)
    assert (mail.cc, mail.bcc, mail.reply_to) == ((), (), ())
    assert message["From"] == "Acme <notifications@acme.example>"
    assert message["To"] == "Jo Doe <jo@acme.example>"
    assert message["Message-ID"] == "<0123456789abcdef@acme.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == TRIAL.began_at


@pytest.mark.parametrize("language", ["en", "fr"])
def test_both_parts_tell_everything_a_newcomer_needs(language):
    message = read(made(language=language))
    page = Page(message.get_body(("html",)).get_content())
    for text in (message.get_body(("plain",)).get_content(), "".join(page.text)):
        for said in (
            *("acme", "mail.acme.example:587", "notifications@acme.example", "Acme", "Jo Doe", "jo@acme.example"),
            *("2026", "08:30 UTC", "ABCDE-01234", "https://mail.example/settings/verify?code=ABCDE-01234"),
            *("Received:", "Authentication-Results:", "<0123456789abcdef@acme.example>"),
        ):
            assert said in text
    assert page.links == ["https://mail.example/settings/verify?code=ABCDE-01234"]
    assert message["Content-Language"] == language


def test_it_is_in_the_reader_s_language():
    english, french = read(made()), read(made(language="fr"))
    assert english["Subject"] == "Test of the mail settings of acme"
    assert french["Subject"] == "Test des paramètres de messagerie de l’organisation acme"
    assert "Confirmez son arrivée" in french.get_body(("plain",)).get_content()
    assert 'lang="fr"' in french.get_body(("html",)).get_content()


def test_without_a_settings_page_there_is_the_code_and_no_link():
    mail = made(base_url=None)
    assert mail.text is not None
    assert mail.html is not None
    assert "ABCDE-01234" in mail.text
    assert "http" not in mail.text
    assert Page(mail.html).links == []


def test_an_operator_is_named_as_such():
    assert "Asked for by: the platform’s operator" in (made(actor=OPERATOR).text or "")


def test_what_somebody_entered_is_one_line_of_text_and_never_markup_or_a_header():
    mail = made(
        actor=Actor(ActorKind.ADMINISTRATOR, EVIL, f"jo@acme.example{EVIL}"),
        server=EVIL,
        sender=Mailbox(SENDER.address, EVIL),
        to=Mailbox(TO.address, EVIL),
    )
    message = read(mail)
    assert set(message.keys()) == {
        *("Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
        *("Content-Language", "MIME-Version", "Content-Type"),
    }
    assert [address.addr_spec for address in message["From"].addresses] == [SENDER.address]
    assert [address.addr_spec for address in message["To"].addresses] == [TO.address]
    html = message.get_body(("html",)).get_content()
    plain = Page(made().html or "")
    assert Page(html).elements == plain.elements
    for text in (html, message.get_body(("plain",)).get_content()):
        assert "\nBcc:" not in text
        assert "\u202e" not in text


def test_a_line_has_no_breaks_no_invisible_characters_and_an_end():
    assert line(" a\r\nb\u2028c\u202ed\x00e\ud800 ") == "a b c d e"
    assert len(line("a" * 10_000)) == 300


def test_a_sender_domain_outside_ascii_makes_a_message_id_that_can_be_sent():
    assert read(made(sender=Mailbox("info@münchen.example", "M")))["Message-ID"].endswith("@xn--mnchen-3ya.example>")
