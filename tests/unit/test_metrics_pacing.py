"""The metrics of what holds mails back: bounded, and gone when they are over."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from consumer.metrics_pacing import NAMED, PacingMetrics, Probe


class Scraped:
    def __init__(self):
        registry = CollectorRegistry()
        self.metrics = PacingMetrics(registry)
        self.text = lambda: generate_latest(registry).decode()

    def series(self, name):
        return [line for line in self.text().splitlines() if line.startswith((f"{name}{{", f"{name} "))]


@pytest.fixture
def scraped():
    return Scraped()


def test_organizations_in_trouble_are_named_up_to_a_number_and_the_rest_is_counted(scraped):
    scraped.metrics.open_breakers([f"org-{number:03}" for number in range(NAMED + 150)])
    found = scraped.series("mailroom_breaker_open")
    assert len(found) == NAMED + 1
    assert 'mailroom_breaker_open{organization="other"} 150.0' in found
    assert 'mailroom_breaker_open{organization="org-000"} 1.0' in found
    scraped.metrics.open_breakers(["org-007"])
    assert scraped.series("mailroom_breaker_open") == ['mailroom_breaker_open{organization="org-007"} 1.0']


def test_an_organization_that_is_called_other_is_counted_with_the_others(scraped):
    scraped.metrics.open_breakers(["acme", "other"])
    assert 'mailroom_breaker_open{organization="other"} 1.0' in scraped.series("mailroom_breaker_open")


def test_holds_that_are_over_disappear(scraped):
    scraped.metrics.platform_holds({"egress": "connect_failed", "default": "sign_in_refused"})
    assert len(scraped.series("mailroom_platform_hold")) == 2
    scraped.metrics.platform_holds({"default": "sign_in_refused"})
    assert scraped.series("mailroom_platform_hold") == [
        'mailroom_platform_hold{reason="sign_in_refused",scope="default"} 1.0'
    ]


def test_everything_has_a_name_that_says_its_unit(scraped):
    metrics = scraped.metrics
    metrics.probed("account", Probe.FAILED)
    metrics.lanes(3)
    metrics.waiting(2)
    metrics.crowded(1)
    metrics.ledger_committed(0.003, 17)
    metrics.ledger_failed()
    metrics.ledger_pending(4)
    text = scraped.text()
    for line in (
        'mailroom_probes_total{result="failed",scope="account"} 1.0',
        "mailroom_lanes 3.0",
        "mailroom_waiting 2.0",
        "mailroom_crowded_partitions 1.0",
        'mailroom_ledger_commit_seconds_bucket{le="0.005"} 1.0',
        "mailroom_ledger_batch_sum 17.0",
        "mailroom_ledger_failures_total 1.0",
        "mailroom_ledger_pending 4.0",
    ):
        assert line in text.splitlines()
