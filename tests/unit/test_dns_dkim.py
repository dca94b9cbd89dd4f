"""DKIM keys: what a record is good for, and what is said about given and about guessed selectors."""

import base64
import secrets
from functools import lru_cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from config.dns.dkim import USUAL, check_dkim, signs
from config.dns.dkim_key import Fitness, judge
from config.dns.lookups import Lookups
from config.dns.report import Finding, FindingCode, State
from config.dns.tag_list import parse_tags
from config.dns.testing import UNANSWERED, ScriptedResolver

DOMAIN = "example.org"


def encoded(key, form=PublicFormat.SubjectPublicKeyInfo) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, form)).decode()


@lru_cache
def rsa_key(bits: int, form=PublicFormat.SubjectPublicKeyInfo) -> str:
    """A number of that length serves; nobody signs with it."""
    modulus = secrets.randbits(bits) | 1 | 1 << (bits - 1)
    return encoded(rsa.RSAPublicNumbers(65537, modulus).public_key(), form)


def ed25519_key() -> str:
    raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b64encode(raw).decode()


GOOD = f"v=DKIM1; k=rsa; p={rsa_key(2048)}"
SHORT = f"v=DKIM1; p={rsa_key(1024)}"


@pytest.mark.parametrize(
    ("text", "fitness"),
    [
        (GOOD, Fitness.GOOD),
        (f"p={rsa_key(2048)}", Fitness.GOOD),
        (f"v=DKIM1; h=sha1:sha256; s=email; n=a note; p={rsa_key(4096)};", Fitness.GOOD),
        (f"v=DKIM1; k=rsa; p={rsa_key(2048, PublicFormat.PKCS1)}", Fitness.GOOD),
        (GOOD.replace("p=", "p= \t\r\n "), Fitness.GOOD),
        (" ".join(GOOD[start : start + 60] for start in range(0, len(GOOD), 60)), Fitness.GOOD),
        (f"v=DKIM1; k=ed25519; p={ed25519_key()}", Fitness.GOOD),
        (SHORT, Fitness.SHORT),
        (f"v=DKIM1; p={rsa_key(2047)}", Fitness.SHORT),
        (f"v=DKIM1; p={rsa_key(1023)}", Fitness.TOO_SHORT),
        (f"v=DKIM1; p={rsa_key(512)}", Fitness.TOO_SHORT),
        ("v=DKIM1; p=", Fitness.REVOKED),
        ("p= ;", Fitness.REVOKED),
        ("v=DKIM1", Fitness.UNUSABLE),
        (GOOD[:-50], Fitness.UNUSABLE),
        (f"v=DKIM1; p={rsa_key(2048)[:200]}\\{rsa_key(2048)[200:]}", Fitness.UNUSABLE),
        (f"v=DKIM2; p={rsa_key(2048)}", Fitness.UNUSABLE),
        (f"p={rsa_key(2048)}; v=DKIM1", Fitness.UNUSABLE),
        (f"v=DKIM1; k=dsa; p={rsa_key(2048)}", Fitness.UNUSABLE),
        (f"v=DKIM1; k=ed25519; p={rsa_key(2048)}", Fitness.UNUSABLE),
        (f"v=DKIM1; p={encoded(ec.generate_private_key(ec.SECP256R1()).public_key())}", Fitness.UNUSABLE),
        (f"v=DKIM1; s=tlsrpt; p={rsa_key(2048)}", Fitness.UNUSABLE),
        (f"v=DKIM1; h=sha1; p={rsa_key(2048)}", Fitness.UNUSABLE),
        ("v=spf1 -all", Fitness.NOT_A_KEY),
        ("", Fitness.NOT_A_KEY),
    ],
)
def test_what_a_record_is_good_for(text, fitness):
    assert judge(text).fitness is fitness


def test_length_and_flags_of_a_key():
    assert judge(SHORT).bits == 1024
    assert judge(f"v=DKIM1; t=s:y; p={rsa_key(2048)}").testing
    assert not judge(f"v=DKIM1; t=s; p={rsa_key(2048)}").testing


@given(
    st.text() | st.text("vkpDKIM1=; \t\\", max_size=60) | st.binary().map(lambda b: f"p={base64.b64encode(b).decode()}")
)
def test_whatever_is_published_is_judged(text):
    assert judge(text).fitness in Fitness


@given(st.text() | st.text("ab=; \t\r\n", max_size=40))
def test_a_list_of_tags_is_always_taken_apart(text):
    tags = parse_tags(text)
    assert all(name == name.lower() and value == value.strip() for name, value in tags.tags.items())
    assert len(tags.tags) + len(tags.broken) == sum(1 for part in text.split(";") if part.strip())


def test_a_tag_that_comes_twice_is_broken_the_second_time():
    tags = parse_tags("a = 1 ;b; A=2; c=x=y;;")
    assert (dict(tags.tags), tags.broken) == ({"a": "1", "c": "x=y"}, ("b", "A=2"))


async def finding(zone=None, *selectors: str) -> Finding:
    full = {f"{name}._domainkey.example.org {kind}": values for (name, kind), values in (zone or {}).items()}
    targets = {f"{name} {kind}": values for (name, kind), values in (zone or {}).items() if "." in name}
    return await check_dkim(DOMAIN, lookups=Lookups(ScriptedResolver({**full, **targets})), selectors=selectors)


def codes(one: Finding) -> list[str]:
    return [one.code, *(note.code for note in one.notes)]


async def test_a_good_key_under_a_given_or_a_usual_selector():
    for selectors in (("google",), ()):
        found = await finding({("google", "TXT"): [GOOD]}, *selectors)
        assert (found.state, found.code, found.params) == (State.OK, FindingCode.DKIM_FOUND, {"selector": "google"})
        assert found.records == (f"google._domainkey.example.org: {GOOD}",)
        assert signs(found)


async def test_a_given_selector_without_a_key_is_missing():
    found = await finding({}, "mine")
    assert (found.state, found.code) == (State.MISSING, FindingCode.DKIM_MISSING)
    assert found.params == {"selector": "mine", "name": "mine._domainkey.example.org"}
    assert not signs(found)


async def test_another_key_than_the_given_one_is_told_beside_it():
    found = await finding({("google", "TXT"): [GOOD]}, "mine")
    assert codes(found) == ["dkim_missing", "dkim_found"]


async def test_guessed_selectors_without_a_key_mean_nothing():
    found = await finding()
    assert (found.state, found.code) == (State.UNKNOWN, FindingCode.DKIM_NOT_FOUND)
    found = await finding({(name, "TXT"): ["v=DKIM1; p="] for name in USUAL})
    assert (found.state, found.code) == (State.UNKNOWN, FindingCode.DKIM_NOT_FOUND)
    found = await finding({(name, "TXT"): ["v=spf1 -all"] for name in USUAL})
    assert (found.state, found.code, found.records) == (State.UNKNOWN, FindingCode.DKIM_NOT_FOUND, ())


async def test_no_answer_is_unknown_and_never_missing():
    for selectors in (("mine",), ()):
        found = await finding({(name, "TXT"): list(UNANSWERED) for name in ("mine", "k1")}, *selectors)
        assert (found.state, found.code) == (State.UNKNOWN, FindingCode.DKIM_UNANSWERED)
    found = await finding({("mine", "TXT"): [GOOD], ("k1", "TXT"): list(UNANSWERED)}, "mine")
    assert codes(found) == ["dkim_found"]


@pytest.mark.parametrize(
    ("record", "code", "given_state", "guessed"),
    [
        ("v=DKIM1; p=", FindingCode.DKIM_REVOKED, State.PROBLEM, None),
        ("v=spf1 -all", FindingCode.DKIM_UNUSABLE, State.PROBLEM, None),
        ("v=DKIM1; p=AAAA", FindingCode.DKIM_UNUSABLE, State.PROBLEM, State.WARNING),
        (f"v=DKIM1; p={rsa_key(512)}", FindingCode.DKIM_TOO_SHORT, State.PROBLEM, State.WARNING),
        (SHORT, FindingCode.DKIM_SHORT, State.WARNING, State.WARNING),
        (f"{GOOD}; t=y", FindingCode.DKIM_TESTING, State.WARNING, State.WARNING),
    ],
)
async def test_faults_weigh_more_under_a_given_selector(record, code, given_state, guessed):
    found = await finding({("s1", "TXT"): [record]}, "s1")
    assert (found.state, found.code, found.params["selector"]) == (given_state, code, "s1")
    found = await finding({("s1", "TXT"): [record]})
    assert (found.state, found.code) == (
        (guessed, code) if guessed is not None else (State.UNKNOWN, FindingCode.DKIM_NOT_FOUND)
    )
    assert signs(found) is (code in (FindingCode.DKIM_SHORT, FindingCode.DKIM_TESTING))


async def test_two_keys_under_one_selector():
    found = await finding({("s1", "TXT"): [GOOD, SHORT]}, "s1")
    assert (found.state, found.code, found.params["count"]) == (State.PROBLEM, FindingCode.DKIM_SEVERAL, "2")
    assert (await finding({("s1", "TXT"): [GOOD, SHORT]})).state is State.WARNING
    assert not signs(found)
    assert codes(await finding({("s1", "TXT"): [GOOD, "v=spf1 -all"]}, "s1")) == ["dkim_found"]


OLD = "selector1-example-org._domainkey.acme.onmicrosoft.com"
NEW = "selector1-example-org._domainkey.acme.n-v1.dkim.mail.microsoft"


@pytest.mark.parametrize("target", [OLD, NEW])
async def test_both_forms_of_microsofts_targets_are_recognised(target):
    found = await finding({("selector1", "CNAME"): [target], (target, "TXT"): [GOOD]})
    assert codes(found) == ["dkim_found", "dkim_microsoft"]
    found = await finding({("selector1", "CNAME"): [target]})
    assert (found.state, found.code) == (State.WARNING, FindingCode.DKIM_NO_TARGET_MICROSOFT)
    found = await finding({("selector1", "CNAME"): [target]}, "selector1")
    assert (found.state, found.code) == (State.PROBLEM, FindingCode.DKIM_NO_TARGET_MICROSOFT)


async def test_one_of_microsofts_two_selectors_may_be_without_a_key():
    zone = {("selector1", "CNAME"): [OLD], (OLD, "TXT"): [GOOD], ("selector2", "CNAME"): [NEW]}
    found = await finding(zone, "selector1", "selector2")
    assert (found.state, found.code) == (State.WARNING, FindingCode.DKIM_NO_TARGET_MICROSOFT)
    assert signs(found)


async def test_an_alias_that_leads_nowhere():
    found = await finding({("s1", "CNAME"): ["s1.provider.example"]}, "s1")
    assert (found.state, found.code) == (State.PROBLEM, FindingCode.DKIM_NO_TARGET)
    assert found.params == {"selector": "s1", "target": "s1.provider.example"}
    assert (await finding({("s1", "CNAME"): ["s1.provider.example"]})).code is FindingCode.DKIM_NOT_FOUND
    look_alike = await finding({("s1", "CNAME"): ["x.notonmicrosoft.com"]}, "s1")
    assert look_alike.code is FindingCode.DKIM_NO_TARGET


async def test_each_selector_is_asked_for_once():
    resolver = ScriptedResolver()
    await check_dkim(DOMAIN, lookups=Lookups(resolver), selectors=["s1", "mine", "s1"])
    assert sorted(name for name, _ in resolver.asked) == sorted(
        f"{selector}._domainkey.example.org" for selector in {*USUAL, "mine"}
    )
