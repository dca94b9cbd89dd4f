"""DMARC: which record holds, which policy it gives the sender's domain, and what has to match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.dns.dmarc import judge_dmarc
from config.dns.dmarc_record import is_dmarc, parse_dmarc, resembles_dmarc
from config.dns.dmarc_walk import Place, concluded, names, walk
from config.dns.lookups import Lookups
from config.dns.report import Finding, FindingCode, State
from config.dns.testing import UNANSWERED, ScriptedResolver

SPF = Finding.of(State.OK, FindingCode.SPF_COVERS, server="x")
DKIM = Finding.of(State.OK, FindingCode.DKIM_FOUND, selector="x")
NO_DKIM = Finding.of(State.UNKNOWN, FindingCode.DKIM_NOT_FOUND)
REPORTS = "rua=mailto:dmarc@example.org"


async def finding(zone, domain="mail.example.org", *, exists=True, spf=SPF, dkim=DKIM) -> Finding:
    """``zone`` has the texts at ``_dmarc.`` of each domain."""
    resolver = ScriptedResolver({f"_dmarc.{name} TXT": texts for name, texts in zone.items()})
    return judge_dmarc(domain, await walk(domain, Lookups(resolver)), exists=exists, spf=spf, dkim=dkim)


def codes(one: Finding) -> list[str]:
    return [one.code, *(note.code for note in one.notes)]


@pytest.mark.parametrize(
    ("text", "record", "meant"),
    [
        ("v=DMARC1; p=none", True, True),
        ("v = DMARC1 ;p=none", True, True),
        ("v=DMARC1", True, True),
        ("v=dmarc1; p=none", False, True),
        ("v=DMARC10; p=none", False, False),
        (" v=DMARC1; p=none", False, True),
        ("p=none; v=DMARC1", False, False),
        ("DMARC1; p=none", False, True),
        ('"v=DMARC1; p=none"', False, True),
        ("v=spf1 -all", False, False),
    ],
)
def test_what_is_a_dmarc_record_and_what_was_meant_as_one(text, record, meant):
    assert (is_dmarc(text), resembles_dmarc(text)) == (record, meant)


def test_a_record_with_everything():
    record = parse_dmarc(
        "v=DMARC1; p=Reject; sp=quarantine; np=none; adkim=S; aspf=s; t=Y; psd=n; pct=20; fo=1; x=y; "
        "rua=mailto:a@b.example!10m,https://x.example; ruf=mailto:c@d.example;"
    )
    assert (record.policy, record.subdomains, record.missing) == ("reject", "quarantine", "none")
    assert (record.strict_dkim, record.testing, record.public_suffix, record.pct, record.reports) == (
        *(True, True, "n", 20, True),
    )
    assert record.ignored == ()


@pytest.mark.parametrize(
    ("text", "policy", "ignored"),
    [
        ("p=none", "none", ()),
        ("p=monitor", None, ("p=monitor",)),
        (f"p=monitor; {REPORTS}", "none", ("p=monitor",)),
        ("rua=mailto:x", None, ()),
        (REPORTS, "none", ()),
        ("p=reject; sp=all", None, ("sp=all",)),
        (f"p=reject; sp=all; {REPORTS}", "none", ("sp=all",)),
        ("p=reject; adkim=strict; pct=101; t=1; none", "reject", ("none", "adkim=strict", "pct=101", "t=1")),
        ("p=reject; p=none", "reject", ("p=none",)),
        ("p=reject; pct=\u0663", "reject", ("pct=\u0663",)),
    ],
)
def test_mistakes_in_a_record(text, policy, ignored):
    record = parse_dmarc(f"v=DMARC1; {text}")
    assert (record.policy, record.ignored, record.pct) == (policy, ignored, 100)
    assert not record.strict_dkim


@given(st.text() | st.text("vpDMARC1=; nosper", max_size=80))
def test_whatever_is_published_is_read(text):
    record = parse_dmarc(f"v=DMARC1;{text}")
    assert record.policy in (None, "none", "quarantine", "reject")
    assert 0 <= record.pct <= 100


def test_the_walk_goes_up_to_the_top_and_asks_eight_times_at_most():
    assert names("a.mail.example.com") == ("a.mail.example.com", "mail.example.com", "example.com", "com")
    assert names("com") == ("com",)
    eight = "a.b.c.d.e.f.example.com"
    assert names(eight)[:2] == (eight, "b.c.d.e.f.example.com")
    assert names("a.b.c.d.e.f.g.h.i.j.mail.example.com") == (
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        *("g.h.i.j.mail.example.com", "h.i.j.mail.example.com", "i.j.mail.example.com", "j.mail.example.com"),
        *("mail.example.com", "example.com", "com"),
    )


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=120).map(".".join))
def test_no_name_costs_more_than_eight_questions(domain):
    assert len(names(domain)) <= 8
    assert names(domain)[0] == domain
    assert all(domain.endswith(name) for name in names(domain))


RECORD = "v=DMARC1; p=none"


@pytest.mark.parametrize(
    ("texts", "holder", "organization"),
    [
        # the examples of RFC 9989 §4.10.2, for the domain a.mail.example.com
        ({"mail.example.com": RECORD, "example.com": RECORD}, "example.com", "example.com"),
        ({"mail.example.com": f"{RECORD}; psd=n", "example.com": RECORD}, "mail.example.com", "mail.example.com"),
        ({"com": f"{RECORD}; psd=y"}, "com", "example.com"),
        # and what else can be
        ({"a.mail.example.com": RECORD, "example.com": RECORD}, "a.mail.example.com", "example.com"),
        ({"a.mail.example.com": RECORD}, "a.mail.example.com", "a.mail.example.com"),
        ({"a.mail.example.com": f"{RECORD}; psd=y", "com": RECORD}, "a.mail.example.com", "a.mail.example.com"),
        ({"example.com": RECORD, "com": f"{RECORD}; psd=y"}, "example.com", "example.com"),
        ({"example.com": f"{RECORD}; psd=u"}, "example.com", "example.com"),
        ({"example.com": "v=DMARC1"}, None, "a.mail.example.com"),
        ({}, None, "a.mail.example.com"),
    ],
)
def test_the_record_that_holds_and_the_organisational_domain(texts, holder, organization):
    places = [Place(name, (texts[name],) if name in texts else ()) for name in names("a.mail.example.com")]
    found = concluded(places)
    assert (found.holder.domain if found.holder else None, found.organization) == (holder, organization)


async def test_an_enforced_policy_and_what_has_to_match():
    found = await finding({"mail.example.org": [f"v=DMARC1; p=reject; {REPORTS}"], "example.org": [RECORD]})
    assert (found.state, codes(found)) == (State.OK, ["dmarc_enforced", "dmarc_relaxed"])
    assert found.params == {"policy": "reject", "domain": "mail.example.org"}
    assert found.notes[0].params == {"domain": "mail.example.org", "organization": "example.org"}
    assert found.records == (
        f"_dmarc.mail.example.org: v=DMARC1; p=reject; {REPORTS}",
        f"_dmarc.example.org: {RECORD}",
    )
    strict = await finding({"mail.example.org": [f"v=DMARC1; p=reject; adkim=s; {REPORTS}"]})
    assert codes(strict) == ["dmarc_enforced", "dmarc_strict"]


@pytest.mark.parametrize(
    ("record", "exists", "policy"),
    [
        ("p=reject", True, "reject"),
        ("p=reject; sp=none", True, "none"),
        ("p=none; sp=quarantine", True, "quarantine"),
        ("p=none; sp=none; np=reject", True, "none"),
        ("p=none; sp=none; np=reject", False, "reject"),
        ("p=none; sp=reject", False, "reject"),
        ("p=reject; t=y", True, "quarantine"),
        ("p=quarantine; t=y", True, "none"),
    ],
)
async def test_which_policy_of_the_domain_above_holds(record, exists, policy):
    found = await finding({"example.org": [f"v=DMARC1; {record}; {REPORTS}"]}, exists=exists)
    assert "dmarc_inherited" in codes(found)
    assert ("dmarc_monitoring" in codes(found)) is (policy == "none")
    assert [note.params.get("policy") for note in (found, *found.notes) if note.code == "dmarc_enforced"] == (
        [] if policy == "none" else [policy]
    )


async def test_the_policy_for_subdomains_does_not_hold_for_the_domain_itself():
    found = await finding({"mail.example.org": [f"v=DMARC1; p=reject; sp=none; {REPORTS}"]})
    assert (found.code, found.params["policy"]) == (FindingCode.DMARC_ENFORCED, "reject")


async def test_watching_is_a_warning():
    found = await finding({"mail.example.org": [f"v=DMARC1; p=none; {REPORTS}"]})
    assert (found.state, codes(found)) == (State.WARNING, ["dmarc_monitoring", "dmarc_relaxed"])


@pytest.mark.parametrize(
    ("record", "note"),
    [
        (f"p=reject; t=y; {REPORTS}", "dmarc_testing"),
        (f"p=reject; pct=50; {REPORTS}", "dmarc_partial"),
        (f"p=reject; adkim=x; {REPORTS}", "dmarc_tag_ignored"),
        ("p=reject", "dmarc_no_reports"),
    ],
)
async def test_remarks(record, note):
    assert note in codes(await finding({"mail.example.org": [f"v=DMARC1; {record}"]}))
    assert note not in codes(await finding({"mail.example.org": [f"v=DMARC1; p=reject; pct=100; t=n; {REPORTS}"]}))


async def test_missing_unknown_and_broken_are_three_things():
    assert codes(await finding({})) == ["dmarc_missing"]
    assert (await finding({})).state is State.MISSING
    for name in ("mail.example.org", "example.org", "org"):
        silent = await finding({name: list(UNANSWERED)})
        assert (silent.state, codes(silent)) == (State.UNKNOWN, ["dmarc_unanswered"])
        assert silent.params == {"name": f"_dmarc.{name}"}
    broken = await finding({"mail.example.org": ["v=DMARC1; p=nothing"]})
    assert (broken.state, broken.code) == (State.PROBLEM, FindingCode.DMARC_INVALID)
    assert (await finding({"mail.example.org": ["v=dmarc1; p=none"]})).code is FindingCode.DMARC_INVALID


async def test_several_records_are_none_and_the_one_above_holds():
    found = await finding({"mail.example.org": [RECORD, "v=DMARC1; p=reject"], "example.org": [f"{RECORD}; {REPORTS}"]})
    assert (found.state, found.code) == (State.PROBLEM, FindingCode.DMARC_SEVERAL)
    assert found.params == {"name": "_dmarc.mail.example.org", "count": "2"}
    assert "dmarc_inherited" in codes(found)


async def test_a_mistake_above_does_not_matter_to_a_domain_with_a_record_of_its_own():
    found = await finding({"mail.example.org": [f"v=DMARC1; p=reject; {REPORTS}"], "example.org": ["v=DMARC1"]})
    assert found.state is State.OK


async def test_nothing_is_said_for_a_domain_above_while_the_domain_itself_is_unknown():
    found = await finding({"mail.example.org": list(UNANSWERED), "example.org": [f"v=DMARC1; p=reject; {REPORTS}"]})
    assert codes(found) == ["dmarc_unanswered"]


async def test_what_has_to_match_is_not_told_while_a_domain_above_is_unknown():
    found = await finding({"mail.example.org": [f"v=DMARC1; p=reject; {REPORTS}"], "example.org": list(UNANSWERED)})
    assert codes(found) == ["dmarc_enforced"]


@pytest.mark.parametrize(
    ("policy", "spf", "dkim", "at_risk"),
    [
        ("reject", FindingCode.SPF_NOT_LISTED, NO_DKIM, True),
        ("quarantine", FindingCode.SPF_MISSING, NO_DKIM, True),
        ("reject", FindingCode.SPF_LOOKUPS, NO_DKIM, True),
        ("none", FindingCode.SPF_MISSING, NO_DKIM, False),
        ("reject", FindingCode.SPF_MISSING, DKIM, False),
        ("reject", FindingCode.SPF_UNANSWERED, NO_DKIM, False),
        ("reject", FindingCode.SPF_EVERYBODY, NO_DKIM, False),
        ("reject", FindingCode.SPF_VALID, NO_DKIM, False),
    ],
)
async def test_a_policy_that_nothing_seen_would_pass_is_a_warning(policy, spf, dkim, at_risk):
    state = State.PROBLEM if spf in (FindingCode.SPF_LOOKUPS, FindingCode.SPF_EVERYBODY) else State.UNKNOWN
    zone = {"mail.example.org": [f"v=DMARC1; p={policy}; {REPORTS}"]}
    found = await finding(zone, spf=Finding.of(state, spf), dkim=dkim)
    assert ("dmarc_at_risk" in codes(found)) is at_risk


async def test_a_domain_of_a_mailbox_provider_is_a_problem():
    found = await finding({"gmail.com": [f"v=DMARC1; p=none; {REPORTS}"]}, "gmail.com")
    assert (found.state, found.code) == (State.PROBLEM, FindingCode.DMARC_CONSUMER)
