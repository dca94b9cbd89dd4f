"""What the browser tests share: mail servers, the settings pages as a process, and people who are signed in."""

from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Page

from config.store import Store
from config.testing import sqlite_url
from tests.browser.servers import MailServers, mail_servers
from tests.browser.serving import Someone, WebProcess
from tests.fixtures_browser import NewPage
from tests.fixtures_tls import TestCertificates
from tests.running import environment

_NOBODY = "amqp://127.0.0.1:1/"
"""No broker: the settings pages do without one."""


@pytest.fixture(scope="session")
def servers(tls: TestCertificates) -> Iterator[MailServers]:
    """Mail servers, right and wrong ones."""
    with mail_servers(tls) as running:
        yield running


def variables(
    folder: Path, servers: MailServers, tls: TestCertificates, amqp_url: str = _NOBODY, **settings: object
) -> dict[str, str]:
    """The variables of a process that may reach the mail servers."""
    values: dict[str, Any] = {
        "smtp_ports": servers.ports(),
        "allow_networks": "127.0.0.0/8,::1/128",
        "tls_ca_file": tls.ca_file,
        "default_smtp_url": "smtp://127.0.0.1:9?security=none",
        "default_sender": "Platform <no-reply@platform.example>",
        **settings,
    }
    return environment(amqp_url, folder, **values)


@pytest.fixture(scope="session")
def web_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the shared process has its database."""
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="session")
def web(web_folder: Path, servers: MailServers, tls: TestCertificates) -> Iterator[WebProcess]:
    """The settings pages, one process for all tests: each test has an organisation of its own."""
    with WebProcess(variables(web_folder, servers, tls), web_folder) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def store(web: WebProcess, web_folder: Path) -> AsyncIterator[Store]:
    """The database of the shared process."""
    opened = await Store.open(sqlite_url(web_folder))
    yield opened
    await opened.close()


class Arrives(Protocol):
    """Opens a page in a context of its own and lets the platform hand somebody over to it."""

    def __call__(self, someone: Someone, **options: Any) -> Awaitable[Page]: ...


@pytest.fixture
def arrives(new_page: NewPage, web: WebProcess) -> Arrives:
    """``page = await arrives(Someone("acme"), java_script_enabled=False)``."""

    async def sign_in(someone: Someone, **options: Any) -> Page:
        page = await new_page(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options})
        await page.goto(web.door(someone))
        return page

    return sign_in
