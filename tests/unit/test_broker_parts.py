"""The pure parts: pauses, endpoints, liveness, and the words for what went wrong."""

import random
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import exceptions

from consumer.broker_backoff import CONNECT, Backoff, shuffled
from consumer.broker_connection import describe, parse_version
from consumer.broker_endpoints import Endpoint, Problem, classify, parse_url
from consumer.broker_liveness import Liveness


@given(st.integers(1, 10**9), st.integers())
def test_pause_grows_to_its_limit_and_keeps_its_lower_half(failures: int, seed: int) -> None:
    backoff = Backoff(first=0.5, longest=8.0)
    ceiling = min(8.0, 0.5 * 2.0 ** min(failures - 1, 30))
    assert ceiling / 2 <= backoff.delay(failures, random.Random(seed)) <= ceiling


def test_first_pause_after_a_loss_is_short_and_never_zero() -> None:
    delays = [CONNECT.delay(1, random.Random(seed)) for seed in range(100)]
    assert min(delays) >= 0.125
    assert max(delays) <= 0.25
    assert len(set(delays)) > 90


def test_nodes_are_tried_in_every_order() -> None:
    source = random.Random(1)
    orders = {shuffled(("a", "b", "c"), source) for _ in range(200)}
    assert len(orders) == 6


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://host", Endpoint("host", 5672, "/", "guest", "guest", False)),
        ("amqps://host/", Endpoint("host", 5671, "/", "guest", "guest", True)),
        ("amqp://u%40x:p%2Fw@host:1/my%2Fvhost", Endpoint("host", 1, "my/vhost", "u@x", "p/w", False)),
        ("amqp://u:p@[::1]:5/%2F?heartbeat=0", Endpoint("::1", 5, "/", "u", "p", False)),
    ],
)
def test_url_is_read(url: str, expected: Endpoint) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    "url", ["http://u:secret@host", "amqp://u:secret@host:port/", "amqp:///vhost", "u:secret@host", ""]
)
def test_url_that_cannot_be_read_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="a broker URL") as refused:
        parse_url(url)
    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_endpoint_does_not_show_its_password() -> None:
    assert "secret" not in repr(parse_url("amqp://user:secret@host"))


CLOSED_403 = repr(exceptions.ConnectionClosedByBroker(403, "ACCESS_REFUSED"))
CLOSED_530 = repr(exceptions.ConnectionClosedByBroker(530, "NOT_ALLOWED"))
CLOSED_320 = repr(exceptions.ConnectionClosedByBroker(320, "CONNECTION_FORCED"))
LOST = repr(exceptions.StreamLostError("reset"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.ProbableAuthenticationError(CLOSED_403), Problem.AUTHENTICATION),
        (exceptions.ProbableAccessDeniedError(CLOSED_530), Problem.VHOST),
        (exceptions.ProbableAccessDeniedError(CLOSED_403), Problem.VHOST),
        # pika's guess is wrong for these: the wire broke, or the broker was shutting down
        (exceptions.ProbableAuthenticationError(LOST), Problem.LOST),
        (exceptions.ProbableAccessDeniedError(LOST), Problem.LOST),
        (exceptions.ProbableAuthenticationError(CLOSED_320), Problem.LOST),
        (exceptions.AMQPConnectionError(ConnectionRefusedError()), Problem.REFUSED),
        (exceptions.AMQPConnectionError(ssl.SSLCertVerificationError()), Problem.TLS),
        (exceptions.AMQPConnectionError(ssl.SSLEOFError()), Problem.LOST),
        (TimeoutError(), Problem.TIMEOUT),
        (OSError(113, "No route to host"), Problem.UNREACHABLE),
        ("text", Problem.UNREACHABLE),
        (None, Problem.UNREACHABLE),
    ],
)
def test_failure_gets_its_word(error: BaseException | str | None, expected: Problem) -> None:
    assert classify(error) is expected


def test_reply_text_of_the_broker_is_not_repeated() -> None:
    assert describe(exceptions.ChannelClosedByBroker(406, "PRECONDITION_FAILED - secret")) == "closed with 406"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3.10.8", (3, 10, 8)), ("4.0.5+deb1", (4, 0, 5)), ("4.1.0-rc.2", (4, 1, 0)), ("4", (4,)), ("", ()), ("x", ())],
)
def test_version_is_read_as_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert parse_version(text) == expected


class Clock:
    """A clock that stands until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_gap_beyond_the_limit_is_told_once_and_then_life_goes_on() -> None:
    clock, gaps = Clock(), list[float]()
    liveness = Liveness(clock, 10, gaps.append)
    clock.now += 15.0
    assert liveness.fresh()
    clock.now += 0.1
    assert not liveness.fresh()
    assert gaps == [pytest.approx(15.1)]
    assert liveness.fresh()
    clock.now += 14.0
    liveness.tick()
    clock.now += 14.0
    assert liveness.fresh()
    assert len(gaps) == 1


def test_tick_itself_notices_the_gap_before_it_hides_it() -> None:
    clock, gaps = Clock(), list[float]()
    liveness = Liveness(clock, 10, gaps.append)
    clock.now += 60.0
    liveness.tick()
    assert gaps == [60.0]


@pytest.mark.parametrize("heartbeat", [1, 2, 10, 60])
def test_limit_lies_below_what_the_broker_waits_and_ticks_are_much_finer(heartbeat: int) -> None:
    liveness = Liveness(Clock(), heartbeat, lambda _gap: None)
    assert liveness.limit < 2 * heartbeat
    assert liveness.interval <= liveness.limit / 8
