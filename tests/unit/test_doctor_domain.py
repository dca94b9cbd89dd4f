"""``mailroom doctor --domain``: what is printed, as a table and as JSON, and when the exit code is 1."""

import json

import pytest
import typer

from config.dns.report import FindingCode
from config.dns.testing import UNANSWERED, ScriptedResolver
from consumer.cli.doctor_domain import show

ZONE = {
    "acme.example TXT": ["v=spf1 ip4:9.9.9.9 -all"],
    "acme.example MX": ["10 mx.acme.example"],
    "_dmarc.acme.example TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@acme.example"],
    "mail.acme.example A": ["9.9.9.9"],
}


def run(zone, *selectors, domain="acme.example", server="mail.acme.example", language="en", as_json=False) -> int:
    return show(domain, selectors, server, language, as_json=as_json, resolver=ScriptedResolver(zone))


def test_the_table_says_what_was_found_what_it_means_and_what_to_do(capsys):
    assert run(ZONE) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert lines[0].startswith("acme.example, ")
    assert lines[0].endswith(" UTC")
    assert "ok       SPF   SPF lists your server" in lines
    assert "unknown  DKIM  DKIM cannot be told without the selector" in lines
    assert "               → Enter the selector that your mail provider names." in shown
    assert "               v=spf1 ip4:9.9.9.9 -all" in lines
    assert "ok             What has to match" in lines


def test_the_same_as_json(capsys):
    assert run(ZONE, as_json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report) == ["domain", "checked_at", "spf", "dkim", "dmarc", "mx"]
    assert report["spf"] == {
        "state": "ok",
        "code": "spf_covers",
        "params": {"server": "mail.acme.example"},
        "headline": "SPF lists your server",
        "meaning": "mail.acme.example is among the servers that may send for the domain.",
        "next_step": "",
        "records": ["v=spf1 ip4:9.9.9.9 -all"],
        "notes": [],
    }
    assert [note["code"] for note in report["dmarc"]["notes"]] == [FindingCode.DMARC_RELAXED]


def test_the_same_in_french(capsys):
    run(ZONE, language="fr")
    assert "ok       SPF   SPF mentionne votre serveur" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"acme.example TXT": ["v=spf1 +all"]}, 1),
        ({"acme.example TXT": []}, 1),
        ({"acme.example TXT": ["v=spf1 -all"]}, 0),
        ({"acme.example TXT": list(UNANSWERED)}, 0),
        ({"acme.example MX": ["0 ."]}, 1),
    ],
)
def test_only_what_is_wrong_or_missing_fails(change, code):
    assert run({**ZONE, **change}) == code


def test_a_given_selector_is_looked_for():
    assert run(ZONE, "mine") == 1


def test_what_a_domain_publishes_cannot_write_to_the_terminal(capsys):
    run({"acme.example TXT": ["v=spf1 \x1b]0;owned\x07 [red]x[/red] -all"]})
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[red]x[/red]" in shown


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"domain": "192.0.2.1"}, "--domain"),
        ({"domain": "a b"}, "--domain"),
        ({"server": "a b"}, "--server"),
        ({"language": "de"}, "--language"),
    ],
)
def test_wrong_use_is_named(wrong, option):
    with pytest.raises(typer.BadParameter) as caught:
        run({}, **wrong)
    assert caught.value.param_hint == option


def test_a_wrong_selector_is_named():
    with pytest.raises(typer.BadParameter, match="is not a selector"):
        run({}, "*")
