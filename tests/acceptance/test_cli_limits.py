"""``mailroom organizations limits`` as an operator runs it."""

import json

import pytest

from config.store_breakers import ENDPOINT, BreakerRows, key_of
from config.testing import smtp_form, stores_in
from tests.command_line import CommandLine
from transports.errors import Code

EXCHANGE = smtp_form(host="smtp.office365.com", username=None, password=None)
LIMITS = ("organizations", "limits", "acme")
USUAL = {"connections": 3, "per_minute": 30, "per_day": 10_000}


@pytest.fixture
async def mailroom(tmp_path):
    """Where one organisation sends by a server that is held back."""
    async with stores_in(tmp_path) as stores:
        await stores.organizations.configure_smtp("acme", EXCHANGE)
        await BreakerRows(stores.store).open(key_of(ENDPOINT, "smtp.office365.com:587"), Code.REPLY_TIMEOUT, 60.0, 5)
    return CommandLine(tmp_path)


async def test_limits_are_shown_chosen_and_given_up(mailroom):
    table = mailroom.on_terminal(*LIMITS)
    for cell in ("usual", "in force", "recipients a day", "10000"):
        assert cell in table
    changed = mailroom.run(*LIMITS, "--connections", "8", "--per-day", "0")
    assert [line.split("\t") for line in changed.stdout.splitlines()] == [
        ["mails at once", "3", "8", "8"],
        ["mails a minute", "30", "-", "30"],
        ["recipients a day", "10000", "no limit", "no limit"],
    ]
    assert "replicas will notice within 2 s" in changed.stderr
    shown = mailroom.run("organizations", "show", "acme").stdout
    for text in ("(chosen: mails at once 8, recipients a day no limit)", ": reply_timeout, next try at "):
        assert text in shown
    listed = mailroom.run("organizations", "list").stdout.rstrip("\n").split("\t")
    assert listed[-1] == "mails at once 8, recipients a day no limit"
    assert json.loads(mailroom.run(*LIMITS, "--reset", "--per-minute", "20", "--json").stdout) == {
        "organization": "acme",
        "limits": {
            "preset": USUAL,
            "chosen": {"connections": None, "per_minute": 20, "per_day": None},
            "effective": {**USUAL, "per_minute": 20},
            "day_unit": "recipients",
        },
    }


async def test_wrong_use_is_told_and_that_there_is_nothing_to_limit(mailroom):
    assert "--connections" in mailroom.run(*LIMITS, "--connections", "0", code=2).stderr
    assert "no transport" in mailroom.run("organizations", "limits", "bolt", "--connections", "2", code=1).stderr
