"""A mail that kills the process: it ends as a dead letter after a few deaths, and nobody else does."""

import pytest

from tests.poisoning import PREFETCH, convict


@pytest.mark.versions
@pytest.mark.slow
@pytest.mark.timeout(110)
def test_a_poison_event_convicts_itself_and_no_neighbour(vhost, sink, launch):
    consumer = launch(vhost, default_smtp_connections=4, prefetch=PREFETCH)
    # One, because a death costs some seconds: three of them are a scene of `make chaos`.
    found = convict(vhost, sink, consumer, poisonous=1, innocents=60)
    assert found.reasons == ["poison"]
    assert not found.wrongly
    assert not found.missing
    assert 2 <= found.deaths <= 5
