"""What a message carries about its own past survives a round trip, and nonsense in it harms nobody."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from consumer import names
from consumer.attempt import Attempt, read, write

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2026, 11, 21, 7), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


@given(
    st.builds(
        Attempt,
        first_seen=moments,
        number=st.integers(0, 10**6),
        unknown=st.integers(0, 5),
        owed=st.none() | st.sets(st.integers(0, 999), min_size=1).map(lambda owed: tuple(sorted(owed))),
        not_before=st.none() | moments,
        paused=st.integers(0, 10**6).map(float),
        parked_at=st.none() | moments,
        copy=st.text("abcdef0123456789", max_size=32),
    )
)
def test_an_attempt_survives_the_round_trip_through_headers(attempt):
    assert read(write(attempt), NOW) == attempt


@given(
    st.dictionaries(
        st.sampled_from([value for name, value in vars(names).items() if name.startswith("H_")]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text())),
    )
)
def test_no_header_value_whatsoever_makes_an_event_undeliverable(headers):
    attempt = read(headers, NOW)
    assert attempt.number >= 0
    assert attempt.first_seen <= NOW
    assert attempt.owed is None or len(attempt.owed) > 0
    write(attempt)


def test_a_message_without_our_headers_is_fresh():
    assert read({}, NOW) == Attempt(first_seen=NOW)


def test_a_first_seen_time_in_the_future_counts_as_now():
    future = {names.H_FIRST_SEEN: "2999-01-01T00:00:00Z"}
    assert read(future, NOW).first_seen == NOW


def test_time_spent_parked_is_taken_off_the_age():
    attempt = Attempt(first_seen=NOW - timedelta(hours=5), parked_at=NOW - timedelta(hours=3))
    assert attempt.released(NOW).age(NOW) == 2 * 3600
