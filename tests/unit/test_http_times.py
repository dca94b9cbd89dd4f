"""When a server wants to be asked again."""

import time
from email.utils import formatdate

import pytest

from transports.http_times import retry_after

NOW = 1_795_000_000.5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("5", 5.0),
        (" 120 ", 120.0),
        ("99999999999999999999", 86_400.0),
        (formatdate(NOW + 60, usegmt=True), 59.5),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("1.5", 1.5),
        ("1.", None),
        ("7, 8", None),
        ("1e3", None),
        ("soon", None),
        ("²", None),
        ("Mon, 99 Nov 2026 25:00:00 GMT", None),
    ],
)
def test_seconds_and_dates(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, NOW) == seconds


def test_without_the_field_there_is_none() -> None:
    assert retry_after({}, NOW) is None


@pytest.mark.parametrize("zone", ["", " -0000", " +0000", " GMT"])
def test_a_date_without_a_zone_is_in_universal_time(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    date = formatdate(NOW + 60, usegmt=True).removesuffix(" GMT") + zone
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        found = retry_after({"Retry-After": date}, NOW)
    time.tzset()
    assert found == 59.5


@pytest.mark.parametrize("skew", [-7200, -300, 300, 7200])
def test_a_date_is_taken_by_the_clock_it_was_written_by(skew: float) -> None:
    headers = {
        "Retry-After": formatdate(NOW + skew + 60, usegmt=True),
        "Date": formatdate(NOW + skew, usegmt=True),
    }
    assert retry_after(headers, NOW) == pytest.approx(60, abs=1)


def test_clocks_that_agree_are_read_to_the_fraction() -> None:
    headers = {"Retry-After": formatdate(NOW + 60, usegmt=True), "Date": formatdate(NOW, usegmt=True)}
    assert retry_after(headers, NOW) == 59.5
