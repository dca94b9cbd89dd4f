"""The form for an SMTP server: what is refused, of which field it is said, and that nothing is repeated."""

import ipaddress

import pytest

from config import smtp_form as forms
from config.errors import InvalidSettings
from config.languages import Sentence
from config.secrets import Secret
from config.testing import smtp_form
from transports.smtp.settings import Security, SmtpSettings

PORTS = (25, 465, 587, 2525)


def problems(form, **options):
    """The problems by field."""
    with pytest.raises(InvalidSettings) as caught:
        forms.checked(form, ports=PORTS, **options)
    return dict(caught.value.problems)


@pytest.mark.parametrize(
    "sender",
    ["acme@gmail.com", "acme@GMAIL.com", "acme@googlemail.com", "acme@outlook.com", "acme@hotmail.com", "a@yahoo.com"],
)
def test_a_sender_at_a_provider_of_private_mailboxes_is_refused_with_the_reason(sender):
    found = problems(smtp_form(sender_address=sender))
    assert list(found) == ["sender_address"]
    assert "DMARC" in found["sender_address"]
    assert "own domain" in found["sender_address"]


@pytest.mark.parametrize(
    "sender", ["acme@gmail.com.acme.example", "acme@notgmail.com", "gmail.com@acme.example", "jörg@bücher.example"]
)
def test_a_sender_of_ones_own_domain_is_taken(sender):
    assert forms.checked(smtp_form(sender_address=sender), ports=PORTS).sender_address == sender


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.1.2.3", "169.254.169.254", "100.100.100.200", "0.0.0.0", "192.0.0.192", "[::1]", "::1"),
        *("::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "fc00::1", "fe80::1"),
    ],
)
def test_an_address_that_the_guard_would_stop_is_refused_at_once(host):
    found = problems(smtp_form(host=host))
    assert list(found) == ["host"]
    assert "public Internet" in found["host"]
    assert host not in found["host"]


def test_an_operator_can_allow_a_network_and_public_addresses_and_names_pass():
    networks = [ipaddress.ip_network("10.0.0.0/8")]
    assert forms.checked(smtp_form(host="10.1.2.3"), ports=PORTS, allow_networks=networks).host == "10.1.2.3"
    assert problems(smtp_form(host="127.0.0.1"), allow_networks=networks)
    for host in ("8.8.8.8", "2001:4860:4860::8888", "localhost", "mail.internal"):
        assert forms.checked(smtp_form(host=host), ports=PORTS).host == host


def test_every_mistake_is_told_at_once_once_for_a_field_and_as_something_that_can_be_translated():
    form = smtp_form(host="2130706433", port=26, security=Security.NONE, sender_address="canary", sender_alias=" ")
    found = problems(form)
    assert list(found) == ["host", "sender_address", "sender_alias", "port", "security"]
    assert "canary" not in str(found)
    port = found["port"]
    assert isinstance(port, Sentence)
    assert (port, port.msgid) == ("must be one of 25, 465, 587, 2525", "must be one of {ports}")
    too_long = problems(smtp_form(sender_alias="x" * 201))["sender_alias"]
    assert isinstance(too_long, Sentence)


@pytest.mark.parametrize("name", ["host", "sender_address", "sender_alias"])
@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_a_field_that_was_left_empty_is_told_what_belongs_there(name, blank):
    found = problems(smtp_form(**{name: blank}))
    assert list(found) == [name]
    assert found[name].startswith("must be given: ")


def test_a_port_that_is_not_allowed_is_said_of_the_port_alone_even_with_an_address_as_the_host():
    assert list(problems(smtp_form(host="8.8.8.8", port=26))) == ["port"]


def test_what_is_unfinished_is_kept_as_it_is_but_not_what_no_field_can_hold():
    form = smtp_form(host=" Mail.Acme.Example ", port=0, security=Security.NONE, sender_address="", username=" ")
    kept = forms.unfinished(form)
    assert (kept.host, kept.port, kept.sender_address, kept.username) == ("mail.acme.example", 0, "", None)
    assert forms.unfinished(smtp_form(host="no host")).host == "no host"
    for name in ("host", "sender_address", "sender_alias", "username"):
        for text in ("a\0b", "a\ud800b", "x" * 1001):
            with pytest.raises(InvalidSettings) as caught:
                forms.unfinished(smtp_form(**{name: text}))
            assert [field for field, _ in caught.value.problems] == [name]
    with pytest.raises(InvalidSettings):
        forms.unfinished(smtp_form(password=Secret("a\0b")))


def test_a_transport_is_built_from_the_form_with_its_password():
    assert forms.smtp_settings(smtp_form()) == SmtpSettings(
        "mail.acme.example", 587, Security.STARTTLS, "acme", "correct horse"
    )
    assert forms.smtp_settings(smtp_form(username=None, password=None)).password is None
