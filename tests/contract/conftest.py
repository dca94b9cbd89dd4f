"""The test beds of all transports. A new transport adds its harness here and has passed when the suite passes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.contract.gmail_harness import GmailHarness
from tests.contract.graph_harness import GraphHarness
from tests.contract.harness import Harness
from tests.contract.http_harness import HttpHarness
from tests.contract.smtp_harness import SmtpHarness
from tests.contract.xoauth2_harness import Xoauth2Harness
from tests.fixtures_tls import TestCertificates
from transports.smtp.settings import Security

HARNESSES: Mapping[str, Callable[[TestCertificates], Harness]] = {
    "smtp-starttls": lambda tls: SmtpHarness(tls, Security.STARTTLS),
    "smtp-implicit-tls": lambda tls: SmtpHarness(tls, Security.TLS),
    "gmail": GmailHarness,
    "smtp-xoauth2": lambda tls: Xoauth2Harness(tls, Security.STARTTLS),
    "microsoft365-mime": lambda tls: GraphHarness(tls, own_address=True),
    "microsoft365-json": lambda tls: GraphHarness(tls, own_address=False),
}


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops: uvloop is what the consumer runs on, and its TLS and sockets are its own."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test for every transport, but those about envelopes only for those that have one, or have none."""
    if "harness" in metafunc.fixturenames:
        envelope = getattr(metafunc.function, "envelope", None)
        names = [name for name in sorted(HARNESSES) if envelope in (None, name.startswith("smtp"))]
        metafunc.parametrize("harness", names, indirect=True)


@pytest.fixture
async def harness(request: pytest.FixtureRequest, tls: TestCertificates) -> AsyncIterator[Harness]:
    """Each transport's test bed in turn."""
    bed = HARNESSES[request.param](tls)
    if isinstance(bed, HttpHarness):
        await bed.start()
    yield bed
    await bed.close()
