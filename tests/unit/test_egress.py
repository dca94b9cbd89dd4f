"""When it is our own network: many servers silent together, and nobody who answers."""

import pytest

from consumer.egress import ENDPOINTS, QUIET, WINDOW, Egress, Outage
from transports.errors import Code


def failing(*endpoints, code=Code.CONNECT_TIMEOUT, egress=None, now=0.0):
    egress = egress or Egress()
    for endpoint in endpoints:
        egress.failed(endpoint, f"account at {endpoint}", code, now)
    return egress


@pytest.mark.parametrize(
    ("code", "outage"),
    [
        (Code.CONNECT_TIMEOUT, Outage.EGRESS),
        (Code.CONNECT_FAILED, Outage.EGRESS),
        (Code.CONNECTION_LOST, Outage.EGRESS),
        (Code.NAME_NOT_FOUND, Outage.DNS),
        (Code.ENDPOINT_UNAVAILABLE, None),
        (Code.SIGN_IN_UNAVAILABLE, None),
        (Code.OUTCOME_UNKNOWN, None),
    ],
)
def test_many_servers_that_fall_silent_together_prove_it(code, outage):
    assert failing("a", "b", "c", code=code).verdict(QUIET) is outage


def test_names_that_are_not_found_are_dns_only_if_nothing_else_fails():
    egress = failing("a", "b", code=Code.NAME_NOT_FOUND)
    assert failing("c", egress=egress).verdict(QUIET) is Outage.EGRESS


def test_one_server_of_many_accounts_proves_nothing():
    egress = Egress()
    for account in range(100):
        egress.failed("a", str(account), Code.CONNECT_FAILED, 0.0)
    failing("b", egress=egress)
    assert egress.verdict(QUIET) is None


def test_it_takes_some_silence():
    egress = failing("a", "b", "c")
    assert egress.verdict(QUIET - 0.1) is None
    assert egress.verdict(QUIET) is Outage.EGRESS


def test_any_answer_disproves_it():
    egress = failing("a", "b", "c")
    egress.answered(1.0)
    failing("a", "b", egress=egress, now=2.0)
    assert egress.verdict(10.0) is None
    failing("c", egress=egress, now=3.0)
    assert egress.verdict(3.0) is None, "somebody answered a moment ago"
    assert egress.verdict(7.0) is Outage.EGRESS


def test_failures_that_are_far_apart_do_not_belong_together():
    egress = failing("a")
    failing("b", "c", egress=egress, now=WINDOW + 1)
    assert egress.verdict(WINDOW + 2) is None


def test_it_knows_whom_it_suspected():
    assert dict(failing("a", "b", "c").suspects()) == {name: f"account at {name}" for name in "abc"}


def test_a_few_servers_that_were_not_tried_may_prove_it_over_before_the_time():
    egress = failing("a", "b", "c")
    assert not egress.fresh("a")
    tried = 0
    for number in range(100):
        if egress.fresh(f"server {number}"):
            egress.tried(f"server {number}")
            assert not egress.fresh(f"server {number}")
            tried += 1
    assert ENDPOINTS <= tried <= 10
