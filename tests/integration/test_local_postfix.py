"""The private Postfix that the SMTP transport is tested against, asked by the standard library's client."""

import smtplib
from email.message import EmailMessage

import pytest

from deploy.local.postfix import PrivatePostfix
from tests.fixtures_tls import TestCertificates
from tests.waiting import eventually_blocking

_BODY = b"Subject: Plain\r\n\r\nOne\r\n..two\r\n"


def _connect(postfix: PrivatePostfix, tls: TestCertificates, kind: str) -> smtplib.SMTP:
    context = tls.client_context()
    if kind == "tls":
        return smtplib.SMTP_SSL(postfix.host, postfix.smtps_port, context=context, timeout=10)
    client = smtplib.SMTP(postfix.host, postfix.submission_port, timeout=10)
    client.ehlo()
    assert not client.has_extn("auth"), "AUTH must not be offered before STARTTLS"
    client.starttls(context=context)
    return client


def _sign_in(client: smtplib.SMTP, postfix: PrivatePostfix, mechanism: str = "plain") -> None:
    client.ehlo()
    # The attributes that its auth_…() methods read.
    vars(client).update(user=postfix.username, password=postfix.password)
    client.auth(mechanism.upper(), getattr(client, f"auth_{mechanism}"))


def _mails(postfix: PrivatePostfix, count: int) -> list[EmailMessage]:
    return eventually_blocking(lambda: found if len(found := postfix.received()) == count else [], what="delivery")


@pytest.mark.parametrize("kind", ["starttls", "tls"])
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_it_takes_mail_over_both_kinds_of_tls_and_by_both_mechanisms(
    postfix: PrivatePostfix, tls: TestCertificates, kind: str, mechanism: str
) -> None:
    """What was sent arrives unchanged, below the headers that tell of the delivery."""
    with _connect(postfix, tls, kind) as client:
        _sign_in(client, postfix, mechanism)
        client.sendmail("me@example.com", ["jo@example.org"], _BODY)
    (mail,) = _mails(postfix, 1)
    assert (mail["Delivered-To"], mail["Return-Path"]) == ("jo@example.org", "<me@example.com>")
    assert postfix.received_bytes()[0].endswith(_BODY.replace(b"\r\n", b"\n"))


def test_a_recipient_is_answered_as_scripted(postfix: PrivatePostfix, tls: TestCertificates) -> None:
    """One refused for good, one greylisted and then taken, one taken at once."""
    postfix.policy.script("gone@example.org", ["550 5.1.1 No such user"])
    postfix.policy.script("grey@example.org", ["450 4.2.0 Greylisted, see you in 300 seconds", "DUNNO"])
    with _connect(postfix, tls, "starttls") as client:
        _sign_in(client, postfix)
        everyone = ["jo@example.org", "gone@example.org", "grey@example.org"]
        refused = client.sendmail("me@example.com", everyone, _BODY)
        again = client.sendmail("me@example.com", ["grey@example.org"], _BODY)
    assert {address: code for address, (code, _) in refused.items()} == {
        "gone@example.org": 550,
        "grey@example.org": 450,
    }
    assert again == {}
    assert [mail["Delivered-To"] for mail in _mails(postfix, 2)] == ["jo@example.org", "grey@example.org"]


def test_it_hangs_up_when_told(postfix: PrivatePostfix, tls: TestCertificates) -> None:
    """421 ends the connection."""
    postfix.policy.script("jo@example.org", ["421 4.3.2 Going down"])
    client = _connect(postfix, tls, "tls")
    _sign_in(client, postfix)
    client.mail("me@example.com")
    assert client.rcpt("jo@example.org")[0] == 421
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()


def test_a_wrong_password_is_refused(postfix: PrivatePostfix, tls: TestCertificates) -> None:
    """It has accounts of its own, none of the machine's."""
    with _connect(postfix, tls, "tls") as client, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        client.login(postfix.username, "wrong")
    assert caught.value.smtp_code == 535


def test_it_relays_nothing_without_signing_in(postfix: PrivatePostfix, tls: TestCertificates) -> None:
    """No mail without AUTH."""
    with _connect(postfix, tls, "tls") as client, pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail("me@example.com", ["jo@example.org"], _BODY)
