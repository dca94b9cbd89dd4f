"""What is shown of a certificate is short, printable and as an administrator would look for it."""

from typing import Any

import pytest

from transports.certificate import tls_facts


def names(**parts: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(((name, value),) for name, value in parts.items())


def facts(**certificate: Any) -> dict[str, str]:
    return dict(tls_facts(certificate, "TLSv1.3"))


def test_all_that_there_is_to_tell() -> None:
    certificate = {
        "issuer": names(countryName="US", organizationName="Let's Encrypt", commonName="R11"),
        "subject": names(organizationName="Example", commonName="mail.example.org"),
        "subjectAltName": (("DNS", "other.example.org"),),
        "notAfter": "Jan 31 23:59:59 2027 GMT",
    }
    assert tls_facts(certificate, "TLSv1.2") == (
        ("protocol", "TLSv1.2"),
        ("issuer", "Let's Encrypt"),
        ("subject", "mail.example.org"),
        ("expires", "2027-01-31"),
    )


def test_other_names_stand_in_for_those_that_are_missing() -> None:
    assert facts(issuer=names(commonName="Our CA"))["issuer"] == "Our CA"
    assert facts(issuer=names(organizationName=" ", commonName="Our CA"))["issuer"] == "Our CA"
    alternative = (("IP Address", "192.0.2.1"), ("DNS", "mail.example.org"), ("DNS", "b.example.org"))
    assert facts(subject=(), subjectAltName=alternative)["subject"] == "mail.example.org"


def test_what_is_missing_or_unreadable_is_left_out() -> None:
    assert facts() == {"protocol": "TLSv1.3"}
    assert facts(subjectAltName=(("IP Address", "192.0.2.1"),), notAfter="Bad time value") == {"protocol": "TLSv1.3"}
    assert tls_facts({}, "") == ()


@pytest.mark.parametrize("text", ["a\r\nb", "a\x00b", "a\x1b[31mb", "a\u202eb", "x" * 5000])
def test_words_of_a_certificate_can_do_no_harm(text: str) -> None:
    shown = facts(issuer=names(organizationName=text))["issuer"]
    assert shown.isprintable()
    assert len(shown) <= 100


def test_dates_are_those_of_utc_up_to_the_last_one() -> None:
    assert facts(notAfter="Feb  1 00:00:00 2027 GMT")["expires"] == "2027-02-01"
    assert facts(notAfter="Dec 31 23:59:59 9999 GMT")["expires"] == "9999-12-31"
