"""SPF records taken apart: what the standard allows, what it does not, and whatever strangers publish."""

import contextlib
import ipaddress
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.dns.spf_record import Mechanism, Result, SpfSyntaxError, Term, is_spf, parse


def only(text: str) -> Term:
    (term,) = parse(f"v=spf1 {text}").terms
    return term


@pytest.mark.parametrize("text", ["v=spf1", "v=spf1 -all", "V=SPF1 a", "v=spf1  mx"])
def test_what_is_an_spf_record(text):
    assert is_spf(text)


@pytest.mark.parametrize("text", ["", "v=spf10 -all", "v=spf1;-all", " v=spf1", "spf2.0/pra", "v=spf1\t-all"])
def test_what_is_none(text):
    assert not is_spf(text)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("all", Result.PASS),
        ("+ALL", Result.PASS),
        ("-all", Result.FAIL),
        ("~all", Result.SOFTFAIL),
        ("?all", "neutral"),
    ],
)
def test_qualifiers(text, result):
    assert only(text).result == result


@pytest.mark.parametrize(
    ("text", "kind", "domain", "lengths"),
    [
        ("a", Mechanism.A, None, (32, 128)),
        ("a/24", Mechanism.A, None, (24, 128)),
        ("mx//64", Mechanism.MX, None, (32, 64)),
        ("A:Mail.Example.org./24//64", Mechanism.A, "mail.example.org", (24, 64)),
        ("include:_spf.example.org", Mechanism.INCLUDE, "_spf.example.org", (32, 128)),
        ("exists:x.example.org", Mechanism.EXISTS, "x.example.org", (32, 128)),
        ("ptr", Mechanism.PTR, None, (32, 128)),
        ("ptr:example.org", Mechanism.PTR, "example.org", (32, 128)),
    ],
)
def test_mechanisms(text, kind, domain, lengths):
    term = only(text)
    assert (term.kind, term.domain, term.lengths, term.macros) == (kind, domain, lengths, False)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("ip4:192.0.2.1", "192.0.2.1/32"),
        ("ip4:192.0.2.77/24", "192.0.2.0/24"),
        ("ip4:0.0.0.0/0", "0.0.0.0/0"),
        ("ip6:2001:db8::/32", "2001:db8::/32"),
        ("ip6:::1", "::1/128"),
    ],
)
def test_networks(text, network):
    assert only(text).network == ipaddress.ip_network(network)


@pytest.mark.parametrize(
    "text",
    [
        "include:%{d}.x.example",
        "a:%{i}.x/24",
        "exists:%{ir}.%{v}._spf.%{d2}",
        "redirect=%{d}",
        "mx:%{l-}.x",
        "a:a%%b.org",
    ],
)
def test_macros_are_allowed_and_noted(text):
    record = parse(f"v=spf1 {text}")
    (term,) = (*record.terms, *([record.redirect] if record.redirect else []))
    assert (term.macros, term.domain) == (True, None)


@pytest.mark.parametrize(
    "term",
    [
        *(
            "foo",
            "all:x.org",
            "all/24",
            "-all.",
            "ipv4:192.0.2.1",
            "+",
            "a:",
            "a:/24",
            "a/33",
            "a//129",
            "a/024",
            "a/24/64",
        ),
        *(
            "include",
            "include:",
            "include:localhost",
            "include:x.1",
            "include:ex ample.org",
            "include:x.org/24",
            "ptr/24",
        ),
        *("ip4", "ip4:", "ip4:192.0.2", "ip4:192.0.2.1/", "ip4:192.0.2.1/33", "ip4:192.0.2.1/08", "ip4:::1", "ip4/24"),
        *(
            "ip6:192.0.2.1",
            "ip6:fe80::1%eth0",
            "ip6:2001:db8::/129",
            "exists",
            "exists:%{x}.org",
            "a:%{d",
            "a:100%.org",
        ),
        *("redirect=", "redirect=%{y}.org", "a:b..org", f"a:{'x' * 64}.org", "include:_spf.example.org;", "\tall"),
        *("m\xfcx", "include:m\xfc.org", "x=%z", "redirect=a.org redirect=b.org", "exp=a.org exp=a.org"),
    ],
)
def test_mistakes_are_found(term):
    with pytest.raises(SpfSyntaxError) as caught:
        parse(f"v=spf1 {term} -all")
    assert caught.value.term
    assert caught.value.term in term


def test_what_stands_behind_all_is_never_reached():
    record = parse("v=spf1 mx -all include:x.example a redirect=y.example")
    assert [term.kind for term in record.terms] == [Mechanism.MX, Mechanism.ALL]
    assert (record.redirect, record.behind_all, record.verdict) == (None, "include:x.example", Result.FAIL)


def test_a_redirect_holds_only_without_all():
    assert parse("v=spf1 redirect=y.example ~all").redirect is None
    redirect = parse("v=spf1 mx REDIRECT=y.example").redirect
    assert redirect is not None
    assert redirect.domain == "y.example"
    assert parse("v=spf1 mx").verdict is None


def test_unknown_modifiers_are_ignored():
    assert parse("v=spf1 ra=abuse rr=all op=%{d} exp=why.example -all").terms[-1].kind is Mechanism.ALL


@given(st.text() | st.text("v=spf1 all-~?+:%{}/.amxip46includredst=0", max_size=200))
@example("a:" + "%{d}" * 200 + "/x")
@example("a:" + "/1" * 2000)
@example("include:" + "a." * 2000)
@example("\ud800")
def test_whatever_is_published_is_read_or_refused(text):
    began = time.process_time()
    with contextlib.suppress(SpfSyntaxError):
        parse(f"v=spf1 {text}")
    assert time.process_time() - began < 1
