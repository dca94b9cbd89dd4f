"""The presets of providers, and what an organisation chooses instead."""

import pytest

from config.limits import DayUnit, Limits, limits_for
from transports.gmail.settings import GmailSettings
from transports.microsoft365.settings import Microsoft365Settings
from transports.smtp.settings import Security, SmtpSettings

RECIPIENTS, MAILS = DayUnit.RECIPIENTS, DayUnit.MAILS


def smtp(host, connections=4, username=None):
    password = None if username is None else "secret"
    return SmtpSettings(host, 587, Security.STARTTLS, username, password, max_connections=connections)


@pytest.mark.parametrize(
    ("settings", "limits"),
    [
        (Microsoft365Settings("g", "jo@acme.example"), Limits(4, None, 10_000, RECIPIENTS)),
        (GmailSettings("g", "jo@acme.example"), Limits(4, 60, 2_000, MAILS)),
        (GmailSettings("g", "jo@gmail.com"), Limits(4, 60, 500, MAILS)),
        (GmailSettings("g", "Jo@GoogleMail.com"), Limits(4, 60, 500, MAILS)),
        (smtp("smtp.office365.com"), Limits(3, 30, 10_000, RECIPIENTS)),
        (smtp("SMTP.Office365.com."), Limits(3, 30, 10_000, RECIPIENTS)),
        (smtp("smtp.office365.com", 1), Limits(1, 30, 10_000, RECIPIENTS)),
        (smtp("smtp.gmail.com", username="jo@acme.example"), Limits(4, None, 2_000, MAILS)),
        (smtp("smtp.gmail.com", username="jo@gmail.com"), Limits(4, None, 500, MAILS)),
        (smtp("smtp.gmail.com"), Limits(4, None, 2_000, MAILS)),
        (smtp("mail.acme.example"), Limits(4)),
        (smtp("relay.platform.example", 20), Limits(20)),
    ],
)
def test_each_provider_has_a_preset(settings, limits):
    assert limits_for(settings, {}) == limits


def test_what_is_chosen_stands_instead_of_the_preset_and_nought_means_none():
    gmail = GmailSettings("g", "jo@acme.example")
    assert limits_for(gmail, {"per_minute": 30}) == Limits(4, 30, 2_000)
    assert limits_for(gmail, {"per_minute": 0, "per_day": 0}) == Limits(4)
    exchange = smtp("smtp.office365.com", 3)
    assert limits_for(exchange, {"per_day": 500}) == Limits(3, 30, 500, RECIPIENTS)
    assert limits_for(smtp("mail.acme.example"), {"per_minute": 5, "per_day": 7}) == Limits(4, 5, 7)


def test_chosen_connections_stand_above_and_below_those_of_the_settings():
    assert limits_for(smtp("mail.acme.example", 4), {"connections": 9}).concurrency == 9
    assert limits_for(smtp("mail.acme.example", 4), {"connections": 2}).concurrency == 2


@pytest.mark.parametrize("overrides", [{"connections": 0}, {"per_minute": -1}, {"per_hour": 5}])
def test_what_makes_no_sense_is_refused(overrides):
    with pytest.raises(ValueError, match="limits"):
        limits_for(smtp("mail.acme.example"), overrides)


@pytest.mark.parametrize("values", [(0,), (1, 0), (1, None, 0)])
def test_limits_are_at_least_one(values):
    with pytest.raises(ValueError, match="at least 1"):
        Limits(*values)
