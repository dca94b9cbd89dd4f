"""When a server wants to be asked again."""

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
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("Mon, 99 Nov 2026 25:00:00 GMT", None),
    ],
)
def test_seconds_and_dates(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, NOW) == seconds


def test_without_the_field_there_is_none() -> None:
    assert retry_after({}, NOW) is None


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
