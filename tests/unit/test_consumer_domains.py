"""Domains of mailbox providers for private people, in every notation, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.addresses import host_name
from config.consumer_domains import CONSUMER_DOMAINS, is_consumer_domain


@pytest.mark.parametrize(
    "domain",
    [
        *("gmail.com", "googlemail.com", "outlook.com", "outlook.fr", "hotmail.co.uk", "live.nl", "msn.com"),
        *("yahoo.com", "yahoo.co.jp", "ymail.com", "aol.com", "icloud.com", "me.com", "mac.com", "gmx.de", "gmx.net"),
        *("web.de", "t-online.de", "orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "proton.me"),
        *("protonmail.com", "zoho.com", "yandex.com", "ya.ru", "mail.ru", "qq.com", "163.com", "126.com"),
    ],
)
def test_well_known_ones(domain):
    assert is_consumer_domain(domain)


@pytest.mark.parametrize(
    "domain",
    [
        "GMail.COM",
        "gmail.com.",
        " gmail.com ",
        "mail.gmail.com",
        "a.b.Yahoo.fr.",
        "\uff47\uff4d\uff41\uff49\uff4c\uff0e\uff43\uff4f\uff4d",
        "gmail\u3002com",
        "\u24d6mail.com",
    ],
)
def test_notations_and_sub_domains(domain):
    assert is_consumer_domain(domain)


@pytest.mark.parametrize(
    "domain",
    [
        *("acme.example", "notgmail.com", "gmail.com.example.org", "gmail", "com", "co.uk", "fr", "", ".", "gmx"),
        *("yahoo.example", "bücher.de", "xn--bcher-kva.de", "outlook.acme.com", "gmail.com..", "-.ü", "192.0.2.1"),
    ],
)
def test_what_is_none(domain):
    assert not is_consumer_domain(domain)


def test_the_list_is_in_the_form_it_is_compared_in():
    assert all(host_name(domain) == domain and "." in domain for domain in CONSUMER_DOMAINS)
    assert len(CONSUMER_DOMAINS) > 300


@given(st.text())
def test_any_text_gets_an_answer(text):
    assert is_consumer_domain(text) in (True, False)
