"""SPF of a sender's domain: what is found wrong, whether it covers the server, and that following it is bounded."""

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.dns.lookups import Lookups
from config.dns.report import Finding, FindingCode, State
from config.dns.resolver import Kind
from config.dns.spf import check_spf
from config.dns.testing import UNANSWERED, ScriptedResolver

DOMAIN = "example.org"
SERVER = "mail.example.org"
ADDRESSES = {"mail.example.org A": ["9.9.9.9"], "mail.example.org AAAA": ["2620:fe::9"]}
COVERED = "ip4:9.9.9.9 ip6:2620:fe::/48"


async def found(*records: str, server: str | None = SERVER, zone: Mapping[str, list[str]] | None = None) -> Finding:
    return await finding_in({"example.org TXT": list(records), **(zone or {})}, server)


async def finding_in(zone, server: str | None = SERVER) -> Finding:
    return await check_spf(DOMAIN, lookups=Lookups(ScriptedResolver({**ADDRESSES, **zone})), server=server)


def codes(finding: Finding) -> list[str]:
    return [finding.code, *(note.code for note in finding.notes)]


async def test_a_record_that_covers_every_address_of_the_server():
    finding = await found(f"v=spf1 {COVERED} -all")
    assert (finding.state, finding.code, finding.notes) == (State.OK, FindingCode.SPF_COVERS, ())
    assert finding.params == {"server": SERVER}
    assert finding.records == (f"v=spf1 {COVERED} -all",)


@pytest.mark.parametrize(
    ("term", "zone"),
    [
        ("a:mail.example.org", {}),
        ("a:n.example/24//48", {"n.example A": ["9.9.9.1"], "n.example AAAA": ["2620:fe::"]}),
        ("mx", {"example.org MX": ["10 gone.example", "20 mail.example.org"]}),
        ("mx:o.example", {"o.example MX": ["5 mail.example.org"]}),
        ("include:x.example", {"x.example TXT": ["another", f"v=spf1 {COVERED} -all"]}),
        ("include:x.example", {"x.example TXT": ["v=spf1 include:y.example"], "y.example TXT": [f"v=spf1 {COVERED}"]}),
        ("redirect=x.example", {"x.example TXT": [f"v=spf1 {COVERED} -all"]}),
        ("include:x.example", {"x.example CNAME": ["y.example"], "y.example TXT": [f"v=spf1 {COVERED} -all"]}),
        (f"exists:%{{i}}.x.example {COVERED}", {}),  # whatever the first says, the second one lets it pass
    ],
)
async def test_the_ways_to_be_listed(term, zone):
    end = "" if term.startswith("redirect") else " -all"
    finding = await finding_in({"example.org TXT": [f"v=spf1 {term}{end}"], **zone})
    assert codes(finding) == ["spf_covers"]


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 ip4:8.8.8.8 -all",
        f"v=spf1 -ip4:9.9.9.0/24 -ip6:2620::/16 {COVERED} -all",
        f"v=spf1 ?ip4:9.9.9.9 ~ip6:2620:fe::9 {COVERED} ~all",
        "v=spf1 -include:x.example -all",
        "v=spf1 include:y.example -all",
        "v=spf1 include:z.example -all",
    ],
)
async def test_a_server_that_is_not_listed_is_a_warning(record):
    zone = {"x.example TXT": [f"v=spf1 {COVERED}"], "y.example TXT": ["v=spf1 -all"], "z.example TXT": ["v=spf1"]}
    finding = await found(record, zone=zone)
    assert (finding.state, finding.code) == (State.WARNING, FindingCode.SPF_NOT_LISTED)


async def test_a_server_that_is_listed_with_one_address_only():
    assert codes(await found("v=spf1 ip4:9.9.9.9 -all")) == ["spf_partly_listed"]
    zone = {"n.example A": ["9.9.9.1"], "n.example AAAA": ["2620:fe:1::9"]}
    assert codes(await found("v=spf1 a:n.example/24//48 -all", zone=zone)) == ["spf_partly_listed"]
    assert codes(await found("v=spf1 a:n.example/24//46 -all", zone=zone)) == ["spf_covers"]


@pytest.mark.parametrize("server", ["9.9.9.9", "2620:fe::9"])
async def test_the_server_may_be_an_address(server):
    assert codes(await found(f"v=spf1 {COVERED} -all", server=server)) == ["spf_covers"]


async def test_without_a_server_nothing_is_compared():
    finding = await found("v=spf1 -all", server=None)
    assert (finding.state, finding.code) == (State.OK, FindingCode.SPF_VALID)


@pytest.mark.parametrize("addresses", [[], ["10.0.0.7"], list(UNANSWERED)])
async def test_a_server_without_a_public_address_reads_the_same_however_that_comes(addresses):
    zone = {"inner.example A": addresses, "example.org TXT": ["v=spf1 ip4:10.0.0.0/8 -all"]}
    finding = await finding_in(zone, "inner.example")
    assert (finding.state, codes(finding)) == (State.UNKNOWN, ["spf_server_unresolved"])


@pytest.mark.parametrize(
    ("server", "include"),
    [
        ("smtp.office365.com", "spf.protection.outlook.com"),
        ("acme-com.mail.protection.outlook.com", "spf.protection.outlook.com"),
        ("smtp.gmail.com", "_spf.google.com"),
        ("smtp-relay.gmail.com", "_spf.google.com"),
        ("smtp.office365.us", "spf.protection.office365.us"),
    ],
)
async def test_known_providers_are_covered_by_their_entry(server, include):
    zone = {f"{server} A": ["8.8.8.8"], f"{include} TXT": ["v=spf1 ip4:1.1.1.1 -all"]}
    finding = await finding_in({**zone, "example.org TXT": [f"v=spf1 include:{include} -all"]}, server)
    assert (finding.state, codes(finding)) == (State.OK, ["spf_covers_provider"])
    finding = await finding_in({**zone, "example.org TXT": ["v=spf1 mx -all"], "example.org MX": ["1 a.b"]}, server)
    assert (finding.code, finding.params["include"]) == (FindingCode.SPF_PROVIDER_MISSING, include)


async def test_a_name_that_only_ends_like_a_provider_is_none():
    zone = {"notoutlook.com A": ["8.8.8.8"], "example.org TXT": ["v=spf1 -all"]}
    assert codes(await finding_in(zone, "notoutlook.com")) == ["spf_not_listed"]


async def test_no_record_is_missing_and_no_answer_is_unknown():
    assert codes(await found("another", "v=spf10")) == ["spf_missing"]
    assert (await found("another")).state is State.MISSING
    assert (await finding_in({})).code is FindingCode.SPF_MISSING
    silent = await finding_in({"example.org TXT": list(UNANSWERED)})
    assert (silent.state, silent.code) == (State.UNKNOWN, FindingCode.SPF_UNANSWERED)


async def test_two_records_are_a_problem():
    finding = await found("v=spf1 -all", "V=SPF1 mx")
    assert (finding.state, finding.code, finding.params["count"]) == (State.PROBLEM, FindingCode.SPF_SEVERAL, "2")
    assert len(finding.records) == 2


@pytest.mark.parametrize(
    ("record", "zone", "code", "params"),
    [
        ("v=spf1 ipv4:9.9.9.9 -all", {}, FindingCode.SPF_SYNTAX, {"term": "ipv4:9.9.9.9"}),
        ("v=spf1 +all", {}, FindingCode.SPF_EVERYBODY, {}),
        ("v=spf1 mx all", {"example.org MX": ["1 mail.example.org"]}, FindingCode.SPF_EVERYBODY, {}),
        ("v=spf1 ip4:0.0.0.0/0 -all", {}, FindingCode.SPF_EVERYBODY, {}),
        ("v=spf1 include:x.example -all", {"x.example TXT": ["v=spf1 all"]}, FindingCode.SPF_EVERYBODY, {}),
        ("v=spf1 include:x.example -all", {}, FindingCode.SPF_BRANCH_MISSING, {"domain": "x.example"}),
        (
            "v=spf1 redirect=x.example",
            {"x.example TXT": ["no"]},
            FindingCode.SPF_BRANCH_MISSING,
            {"domain": "x.example"},
        ),
        (
            "v=spf1 include:x.example",
            {"x.example TXT": ["v=spf1 x"]},
            FindingCode.SPF_BRANCH_BROKEN,
            {"domain": "x.example"},
        ),
        (
            "v=spf1 include:x.example -all",
            {"x.example TXT": ["v=spf1 -all", "v=spf1 mx"]},
            FindingCode.SPF_BRANCH_BROKEN,
            {"domain": "x.example"},
        ),
        ("v=spf1 include:example.org -all", {}, FindingCode.SPF_LOOP, {"domain": "example.org"}),
        (
            "v=spf1 include:x.example -all",
            {"x.example TXT": ["v=spf1 redirect=example.org"]},
            FindingCode.SPF_LOOP,
            {"domain": "example.org"},
        ),
        ("v=spf1 a:n1.example a:n2.example mx:n3.example -all", {}, FindingCode.SPF_VOID_LOOKUPS, {}),
        (
            "v=spf1 mx -all",
            {"example.org MX": [f"{number} m{number}.example" for number in range(11)]},
            FindingCode.SPF_MANY_MX,
            {"domain": "example.org"},
        ),
    ],
)
async def test_errors_are_problems_and_nothing_is_said_about_the_server(record, zone, code, params):
    finding = await finding_in({"example.org TXT": [record], **zone})
    assert (finding.state, finding.code, finding.params) == (State.PROBLEM, code, params)
    assert not {"spf_covers", "spf_not_listed"} & set(codes(finding))


async def test_two_names_without_an_answer_are_allowed():
    assert codes(await found(f"v=spf1 a:n1.example mx:n2.example {COVERED} -all")) == ["spf_covers"]


@pytest.mark.parametrize(
    ("lookups", "expected"), [(10, "spf_covers"), (11, "spf_lookups")], ids=["ten are allowed", "eleven are not"]
)
async def test_lookups_are_counted_all_over_the_tree(lookups, expected):
    inner = " ".join(["a:mail.example.org"] * (lookups - 4))
    zone = {
        "example.org TXT": [f"v=spf1 include:x.example mx {COVERED} redirect=y.example"],
        "example.org MX": ["1 mail.example.org"],
        "x.example TXT": [f"v=spf1 {inner} exists:%{{i}}.example -all"],
        "y.example TXT": ["v=spf1 -all"],
    }
    finding = await finding_in(zone)
    assert finding.code == expected
    assert finding.params.get("count") in (None, "11")


async def test_what_stands_behind_all_is_not_looked_up_but_told():
    finding = await found(f"v=spf1 {COVERED} -all " + " ".join(f"include:n{number}.example" for number in range(12)))
    assert codes(finding) == ["spf_after_all", "spf_covers"]
    assert finding.params == {"term": "include:n0.example"}


@pytest.mark.parametrize(
    ("record", "warned"),
    [
        ("v=spf1", True),
        ("v=spf1 ?all", True),
        ("v=spf1 redirect=x.example", True),
        ("v=spf1 redirect=%{d}.example", False),
        ("v=spf1 ~all", False),
    ],
)
async def test_a_record_that_leaves_others_open_is_a_warning(record, warned):
    finding = await found(record, server=None, zone={"x.example TXT": ["v=spf1 ?all"]})
    assert ("spf_no_verdict" in codes(finding)) is warned


async def test_what_only_a_mail_can_decide_is_unknown():
    finding = await found("v=spf1 include:%{i}._ip.x.example -all")
    assert (finding.state, finding.code) == (State.UNKNOWN, FindingCode.SPF_UNDECIDED)
    assert finding.params == {"server": SERVER, "term": "include:%{i}._ip.x.example"}
    finding = await found("v=spf1 ptr:example.org -all")
    assert codes(finding) == ["spf_ptr", "spf_undecided"]


async def test_what_depends_on_a_mail_does_not_matter_if_both_ways_end_alike():
    assert codes(await found("v=spf1 -exists:%{i}.x.example -all")) == ["spf_not_listed"]
    assert codes(await found(f"v=spf1 -exists:%{{i}}.x.example {COVERED} -all")) == ["spf_undecided"]


@pytest.mark.parametrize(
    "term", ["include:x.example", "a:x.example", "mx:x.example", "mx:y.example", "redirect=x.example"]
)
async def test_a_branch_without_an_answer_makes_it_unknown_and_never_missing(term):
    silent = list(UNANSWERED)
    zone = {f"x.example {kind}": silent for kind in Kind}
    finding = await finding_in({"example.org TXT": [f"v=spf1 {term}"], **zone, "y.example MX": ["1 x.example"]})
    assert not {"spf_not_listed", "spf_branch_missing", "spf_void_lookups"} & set(codes(finding))
    assert "spf_branch_unanswered" in codes(finding)


async def test_a_server_that_is_listed_elsewhere_is_covered_in_spite_of_an_unanswered_branch():
    finding = await found(f"v=spf1 {COVERED} a:x.example -all", zone={"x.example A": list(UNANSWERED)})
    assert codes(finding) == ["spf_branch_unanswered", "spf_covers"]


async def test_names_of_private_networks_are_not_asked_for():
    resolver = ScriptedResolver({"example.org TXT": ["v=spf1 a:db.internal include:x.corp exists:y.example.org -all"]})
    finding = await check_spf(DOMAIN, lookups=Lookups(resolver), server="mail.local")
    assert finding.state is State.WARNING or finding.state is State.UNKNOWN
    assert {name for name, _ in resolver.asked} == {"example.org"}


@st.composite
def zones(draw):
    """Records of a few names that refer to each other in any way."""
    names = [DOMAIN, *(f"n{number}.example" for number in range(6))]
    target = st.sampled_from(names)
    kinds = st.sampled_from(
        ["include:", "a:", "mx:", "redirect=", "exists:", "ptr:", "ip4:9.9.9.9 a:", "-include:", "?mx:"]
    )
    term = st.builds(lambda kind, name: f"{kind}{name}", kinds, target)
    zone = {}
    for name in names:
        terms = draw(st.lists(term, max_size=14))
        zone[f"{name} TXT"] = [" ".join(["v=spf1", *terms, draw(st.sampled_from(["", "-all", "all", "junk"]))]).strip()]
        zone[f"{name} MX"] = [f"{preference} {draw(target)}" for preference in range(draw(st.integers(0, 12)))]
        zone[f"{name} A"] = ["9.9.9.9"] * draw(st.integers(0, 1))
    return zone


@given(zones())
async def test_no_tree_of_records_makes_us_ask_without_end(zone):
    resolver = ScriptedResolver({**ADDRESSES, **zone})
    finding = await check_spf(DOMAIN, lookups=Lookups(resolver), server=SERVER)
    assert finding.code in FindingCode
    # The record itself, ten look-ups of at most 1 + 2 × 10 questions, and the server's two addresses.
    assert len(resolver.asked) <= 1 + 10 * 21 + 2
    assert len([1 for _, kind in resolver.asked if kind is Kind.TXT]) <= 11


async def test_a_tree_that_grows_for_ever_is_left_after_ten_look_ups():
    class Endless(ScriptedResolver):
        counter = itertools.count()

        async def query(self, name, kind):
            more = " ".join(f"include:n{next(self.counter)}.example" for _ in range(30))
            self.records[f"{name} TXT"] = [f"v=spf1 {more} -all"]
            return await super().query(name, kind)

    resolver = Endless()
    finding = await check_spf(DOMAIN, lookups=Lookups(resolver), server=None)
    assert finding.code is FindingCode.SPF_LOOKUPS
    assert int(finding.params["count"]) > 10
    assert len(resolver.asked) == 11
