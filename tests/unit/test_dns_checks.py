"""The check as a whole: MX, names that may not be asked for, bounds, and reports and answers that are kept."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.dns.cache import LONGEST, LONGEST_NEGATIVE, SHORTEST, AnswerCache
from config.dns.checks import (
    REFRESH_SECONDS,
    REPORT_SECONDS,
    UNANSWERED_SECONDS,
    DomainChecks,
    check_domain,
    selector_name,
)
from config.dns.dkim import USUAL
from config.dns.lookups import Lookups
from config.dns.mx import check_mx
from config.dns.names import is_public, referred_name
from config.dns.report import DomainReport, Finding, FindingCode, State, shown, summed_up
from config.dns.resolver import Answer, Kind, Unanswered
from config.dns.testing import UNANSWERED, ScriptedResolver

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ZONE = {
    "acme.example TXT": ["v=spf1 ip4:9.9.9.9 -all"],
    "acme.example MX": ["10 mx.acme.example"],
    "_dmarc.acme.example TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@acme.example"],
    "mail.acme.example A": ["9.9.9.9"],
}


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds - 1000)


@pytest.fixture
def clock():
    return Clock()


async def check(resolver, domain="acme.example", **options) -> DomainReport:
    return await check_domain(domain, resolver=resolver, now=lambda: NOON, **{"server": None, **options})


def states(report: DomainReport) -> list[str]:
    return [finding.state for finding in report.findings]


async def test_a_whole_report():
    report = await check(ScriptedResolver(ZONE), "Acme.Example.", server="mail.acme.example")
    assert (report.domain, report.checked_at) == ("acme.example", NOON)
    assert [finding.code for finding in report.findings] == [
        "spf_covers",
        "dkim_not_found",
        "dmarc_enforced",
        "mx_found",
    ]
    assert report.sound


async def test_what_is_unknown_is_not_held_against_a_domain_and_what_is_missing_is():
    silent = {f"{name} {kind}": list(UNANSWERED) for name in ("acme.example", "_dmarc.acme.example") for kind in Kind}
    selectors = {f"{selector}._domainkey.acme.example TXT": list(UNANSWERED) for selector in USUAL}
    report = await check(ScriptedResolver({**silent, **selectors}))
    assert states(report) == ["unknown"] * 4
    assert all(finding.code.endswith("_unanswered") for finding in report.findings)
    assert report.sound
    assert not (await check(ScriptedResolver())).sound
    assert not (await check(ScriptedResolver({**ZONE, "acme.example TXT": ["v=spf1 +all"]}))).sound


@pytest.mark.parametrize("domain", ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example."])
async def test_international_names_are_asked_for_as_a_labels(domain):
    resolver = ScriptedResolver()
    assert (await check(resolver, domain, server="mäil.example")).domain == "xn--bcher-kva.example"
    assert all(name.isascii() for name, _ in resolver.asked)


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"domain": name}
            for name in ("", "a b.example", "*.example", "192.0.2.1", "::1", "[::1]", "a..example", "1.2")
        ),
        *({"server": name} for name in ("a b", "*.example", "0x7f.1", "http://x.example")),
        *({"selectors": [name]} for name in ("", "*", "a b", ".a", "a.", "a..b", "x" * 121, "a/b", "ü")),
    ],
    ids=str,
)
async def test_what_is_no_name_is_refused_and_never_asked_for(wrong):
    resolver = ScriptedResolver()
    with pytest.raises(ValueError, match=r"^is not a"):
        await check(resolver, wrong.pop("domain", "acme.example"), **wrong)
    assert resolver.asked == []


def test_selectors_have_one_form():
    assert selector_name(" S1.Mail_2025-a ") == "s1.mail_2025-a"


@pytest.mark.parametrize(
    "domain", ["localhost", "acme", "db.internal", "x.corp", "1.168.192.in-addr.arpa", "a.home.arpa"]
)
async def test_names_of_private_networks_are_not_asked_for(domain):
    resolver = ScriptedResolver()
    report = await check(resolver, domain)
    assert {finding.code for finding in report.findings} == {FindingCode.NAME_NOT_PUBLIC}
    assert (report.sound, resolver.asked) == (True, [])
    with pytest.raises(Unanswered):
        await Lookups(resolver).txt(domain)


def test_names_that_records_refer_to():
    assert referred_name("_SPF.Example.org.") == "_spf.example.org"
    assert [referred_name(name) for name in ("", ".", "a..b", "a b", "ü.org", "x" * 64, "a." * 130)] == [None] * 7
    assert is_public("a.b")
    assert not is_public("b")


async def test_a_report_asks_only_so_often():
    resolver = ScriptedResolver(ZONE)
    report = await check(resolver, queries=5)
    assert len(resolver.asked) == 5
    assert State.MISSING not in states(report)


async def test_a_report_takes_only_so_long():
    class Slow:
        async def query(self, name, kind):
            await asyncio.Event().wait()

    async with asyncio.timeout(5):
        report = await check(Slow(), seconds=0.05)
    assert states(report) == ["unknown"] * 4


@pytest.mark.parametrize(
    ("zone", "state", "code", "exists"),
    [
        ({"x.example MX": ["10 a.example", "20 b.example"]}, State.OK, "mx_found", True),
        ({"x.example MX": ["0 ."]}, State.PROBLEM, "mx_null", True),
        ({"x.example MX": ["0 .", "10 a.example"]}, State.WARNING, "mx_null_mixed", True),
        ({"x.example A": ["9.9.9.9"]}, State.WARNING, "mx_implicit", True),
        ({"x.example AAAA": ["2620:fe::fe"]}, State.WARNING, "mx_implicit", True),
        ({"x.example TXT": ["here"]}, State.MISSING, "mx_missing", True),
        ({}, State.PROBLEM, "mx_no_such_domain", False),
        ({"x.example MX": list(UNANSWERED)}, State.UNKNOWN, "mx_unanswered", None),
        ({"x.example A": list(UNANSWERED)}, State.UNKNOWN, "mx_unanswered", None),
    ],
)
async def test_where_replies_go(zone, state, code, exists):
    finding, found = await check_mx("x.example", lookups=Lookups(ScriptedResolver(zone)))
    assert (finding.state, finding.code, found) == (state, code, exists)


async def test_a_domain_that_does_not_exist_gets_the_policy_for_those():
    zone = {"_dmarc.example.org TXT": ["v=DMARC1; p=none; np=reject; rua=mailto:a@example.org"]}
    assert (await check(ScriptedResolver(zone), "none.example.org")).dmarc.code is FindingCode.DMARC_AT_RISK
    zone["none.example.org TXT"] = ["here"]
    assert (await check(ScriptedResolver(zone), "none.example.org")).dmarc.code is FindingCode.DMARC_MONITORING


@pytest.mark.parametrize(
    ("ttl", "values", "kept"),
    [
        (300, ["x"], 300),
        (1, ["x"], SHORTEST),
        (86_400, ["x"], LONGEST),
        (1, [], SHORTEST),
        (86_400, [], LONGEST_NEGATIVE),
    ],
)
async def test_answers_are_kept_for_their_time_within_bounds(clock, ttl, values, kept):
    resolver = ScriptedResolver({"a.example TXT": values}, ttl=ttl)
    cache = AnswerCache(resolver, clock=clock)
    first = await cache.query("a.example", Kind.TXT)
    clock.seconds += kept - 1
    second = await cache.query("a.example", Kind.TXT)
    assert (first.values, second.values, second.age) == (tuple(values), tuple(values), kept - 1)
    assert len(resolver.asked) == 1
    clock.seconds += 1
    await cache.query("a.example", Kind.TXT)
    assert len(resolver.asked) == 2


async def test_that_nobody_answered_is_not_kept(clock):
    resolver = ScriptedResolver({"a.example TXT": list(UNANSWERED)})
    cache = AnswerCache(resolver, clock=clock)
    with pytest.raises(Unanswered):
        await cache.query("a.example", Kind.TXT)
    resolver.records["a.example TXT"] = ["x"]
    assert (await cache.query("a.example", Kind.TXT)).values == ("x",)


async def test_only_so_many_answers_are_kept(clock):
    resolver = ScriptedResolver()
    cache = AnswerCache(resolver, clock=clock, most=2)
    for name in ("a.example", "b.example", "a.example", "c.example", "a.example", "b.example"):
        await cache.query(name, Kind.TXT)
    assert [name for name, _ in resolver.asked] == ["a.example", "b.example", "c.example", "b.example"]


async def test_a_report_is_kept_and_made_anew_after_a_while(clock):
    resolver = ScriptedResolver(ZONE)
    checks = DomainChecks(resolver, now=clock.now, clock=clock)
    first = await checks("acme.example", server=None)
    asked = len(resolver.asked)
    clock.seconds += REPORT_SECONDS - 1
    assert await checks("acme.example", server=None) is first
    clock.seconds += 1
    again = await checks("acme.example", server=None)
    assert len(resolver.asked) > asked
    assert again.checked_at == NOON + timedelta(seconds=REPORT_SECONDS)
    assert (await checks("acme.example", server="mail.acme.example")).spf.code is FindingCode.SPF_COVERS
    assert (await checks("acme.example", server=None, selectors=["x"])).dkim.code is FindingCode.DKIM_MISSING


async def test_a_report_of_kept_answers_says_how_old_they_are(clock):
    checks = DomainChecks(ScriptedResolver(ZONE, ttl=3000), now=clock.now, clock=clock)
    await checks("acme.example", server=None)
    clock.seconds += 500
    assert (await checks("acme.example", server=None)).checked_at == NOON
    assert (await checks("acme.example", server=None, refresh=True)).checked_at == NOON + timedelta(seconds=500)


async def test_a_report_with_an_unanswered_question_is_soon_made_anew(clock):
    resolver = ScriptedResolver({**ZONE, "acme.example MX": list(UNANSWERED)})
    checks = DomainChecks(resolver, now=clock.now, clock=clock)
    assert (await checks("acme.example", server=None)).mx.state is State.UNKNOWN
    resolver.records["acme.example MX"] = ["1 mx.acme.example"]
    clock.seconds += UNANSWERED_SECONDS - 1
    assert (await checks("acme.example", server=None)).mx.state is State.UNKNOWN
    clock.seconds += 1
    assert (await checks("acme.example", server=None)).mx.state is State.OK


async def test_a_refresh_sees_what_was_mended_but_only_so_often(clock):
    resolver = ScriptedResolver({**ZONE, "acme.example TXT": []})
    checks = DomainChecks(resolver, now=clock.now, clock=clock)
    assert (await checks("acme.example", server=None)).spf.state is State.MISSING
    resolver.records["acme.example TXT"] = ["v=spf1 -all"]
    assert (await checks("acme.example", server=None)).spf.state is State.MISSING
    assert (await checks("acme.example", server=None, refresh=True)).spf.state is State.OK
    asked = len(resolver.asked)
    clock.seconds += REFRESH_SECONDS - 1
    await checks("acme.example", server=None, refresh=True)
    assert len(resolver.asked) == asked
    clock.seconds += 1
    await checks("acme.example", server=None, refresh=True)
    assert len(resolver.asked) > asked


async def test_many_who_ask_at_once_share_one_report(clock):
    resolver = ScriptedResolver(ZONE)
    checks = DomainChecks(resolver, now=clock.now, clock=clock)
    reports = await asyncio.gather(*(checks("acme.example", server=None) for _ in range(20)))
    assert all(report is reports[0] for report in reports)
    assert len(resolver.asked) == len(set(resolver.asked))


async def test_somebody_who_gives_up_does_not_take_the_others_along(clock):
    class Gated(ScriptedResolver):
        gate = asyncio.Event()

        async def query(self, name, kind):
            await self.gate.wait()
            return await super().query(name, kind)

    resolver = Gated(ZONE)
    checks = DomainChecks(resolver, now=clock.now, clock=clock)
    first, second = (asyncio.create_task(checks("acme.example", server=None)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    resolver.gate.set()
    assert (await second).spf.state is State.OK
    assert first.cancelled()


async def test_only_so_many_reports_are_kept(clock):
    resolver = ScriptedResolver(ZONE, ttl=0)
    checks = DomainChecks(resolver, now=clock.now, clock=clock, most=2)
    first = await checks("a.example", server=None)
    for name in ("b.example", "c.example"):
        await checks(name, server=None, refresh=True)
    assert await checks("a.example", server=None) is not first


def test_the_gravest_finding_comes_first_and_the_others_are_its_notes():
    order = [State.OK, State.UNKNOWN, State.WARNING, State.MISSING, State.PROBLEM]
    one = summed_up([Finding.of(state, FindingCode.MX_FOUND) for state in order], ["a\x1b[31m", "x" * 2000])
    assert [one.state, *(note.state for note in one.notes)] == order[::-1]
    assert one.records == ("a\\x1b[31m", f"{'x' * 999}…")


@given(st.text())
def test_what_is_shown_can_deceive_nobody(text):
    fit = shown(text, 50)
    assert fit.isprintable()
    assert len(fit) <= 50


async def test_an_answer_of_the_resolver_is_passed_on_as_it_is():
    resolver = ScriptedResolver({"a.example CNAME": ["b.example"], "b.example TXT": ["x"]}, ttl=7)
    assert await Lookups(resolver).txt("a.example") == Answer(("x",), ("b.example",), ttl=7)
