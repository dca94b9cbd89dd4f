"""The HTTP server of a consumer, asked over a real socket."""

import aiohttp

from consumer.health import HealthServer
from consumer.metrics import Metrics, SmtpConnections
from transports.smtp.observer import ConnectionState

PROMISED = [
    "mailroom_events_received_total",
    "mailroom_handoffs_total",
    "mailroom_outcomes_total",
    "mailroom_stage_seconds_bucket",
    "mailroom_in_flight",
    "mailroom_dead_letters_total",
    "mailroom_dead_letter_depth",
    "mailroom_oldest_event_seconds",
    "mailroom_parked_organizations",
    "mailroom_smtp_connections",
    "mailroom_token_refreshes_total",
    "mailroom_grants_ended_total",
    "mailroom_broker_connected",
    "mailroom_active_partitions",
    "mailroom_build_info",
]


async def get(server, path):
    port = await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as reply:
            return reply.status, reply.headers, await reply.text()
    finally:
        await server.aclose()


def used_metrics():
    metrics = Metrics("1.2.3")
    metrics.received("task")
    metrics.handed_off("smtp", "task")
    metrics.sending("smtp", 1)
    metrics.sent("smtp", 0.2)
    metrics.dead_letter("expired")
    metrics.parked_organizations({"sign_in_refused": 2})
    metrics.oldest(lambda: 4.5)
    metrics.token_refreshed("microsoft", "ok")
    SmtpConnections(metrics).changed(ConnectionState.BUSY, 1)
    return metrics


async def test_every_promised_metric_is_served():
    status, headers, text = await get(HealthServer(used_metrics(), _never), "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert [name for name in PROMISED if f"\n{name}" not in text] == []
    assert 'mailroom_parked_organizations{reason="sign_in_refused"} 2.0' in text
    assert "mailroom_oldest_event_seconds 4.5" in text


async def test_reasons_that_are_gone_disappear_from_the_gauge():
    metrics = used_metrics()
    metrics.parked_organizations({})
    assert b"sign_in_refused" not in metrics.exposition()


async def test_gauges_are_read_when_they_are_scraped():
    metrics = Metrics("1.2.3")
    metrics.before_scrape(lambda: metrics.broker(connected=True, blocked=False, subscribed=32, active=7))
    assert b"mailroom_active_partitions 7.0" in metrics.exposition()


async def test_a_process_that_answers_is_alive_even_when_nothing_else_works():
    status, _, text = await get(HealthServer(Metrics("1.2.3"), _never), "/livez")
    assert (status, text) == (200, '{"live": true}')


async def test_a_process_is_ready_only_when_every_check_holds():
    async def half():
        return {"broker": True, "store": False}

    async def whole():
        return {"broker": True, "store": True}

    assert (await get(HealthServer(Metrics("1"), half), "/readyz"))[0] == 503
    assert (await get(HealthServer(Metrics("1"), whole), "/readyz"))[0] == 200


async def _never():
    raise AssertionError("not asked here")
