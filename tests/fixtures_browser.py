"""A real Chromium for tests of the settings page: one for the session, a fresh context for each test.

The browser lives in the session's event loop, so tests that use it run there too (marked here, nothing to do), and an
async fixture they share objects with must say ``@pytest_asyncio.fixture(loop_scope="session")``. It resolves loopback
names only. A test fails at its end when a page wrote an error to the console, which includes a breach of its content
security policy; replies of 400 and above to what a page asked for are the test's own business.
"""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright._impl._driver import compute_driver_executable
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from deploy.local.places import LOCAL
from tests.environment import absent

SCREENSHOTS = LOCAL / "screenshots"
PATIENCE = 15.0
"""Seconds for anything a page is waited for: a loaded machine is slow, a test that hangs must end all the same."""

_LOOPBACK_ONLY = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE [::1]"
_REPLY = "Failed to load resource: the server responded with a status of"

Screenshot = Callable[[Page, str], Awaitable[Path]]


class NewPage(Protocol):
    """Opens a page in a context of its own; the keywords are those of Playwright's ``Browser.new_context``."""

    def __call__(self, **options: Any) -> Awaitable[Page]: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has tests that use the browser run in the loop the browser lives in."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def _chromium() -> str:
    """Debian's own; the browsers Playwright would download are never used."""
    program = shutil.which("chromium")
    if program is None:
        absent("Chromium is not installed: apt-get install --no-install-recommends chromium libatomic1")
    return program


def _require_driver() -> None:
    """Checks that the Node.js program in Playwright's package starts, which Playwright itself does not tell well."""
    node, _ = compute_driver_executable()
    tried = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=False)
    if tried.returncode:
        absent(f"Playwright's driver does not start ({tried.stderr.strip()}): apt-get install libatomic1")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window; started once."""
    program = _chromium()
    _require_driver()
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=program,
            # Chromium refuses to run as root inside its sandbox.
            chromium_sandbox=os.geteuid() != 0,
            args=[_LOOPBACK_ONLY, "--disable-gpu"],
        )
        yield started
        await started.close()


@pytest.fixture
def complaints() -> list[str]:
    """Errors and warnings the pages wrote to the console; a test that provokes one looks at it and takes it out."""
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(browser: Browser, complaints: list[str]) -> AsyncIterator[NewPage]:
    """Opens pages, each in a context of its own (its own cookies).

    For example ``await new_page(java_script_enabled=False, locale="fr-FR", viewport={"width": 360, "height": 740})``.
    """
    opened: list[BrowserContext] = []

    async def open_page(**options: Any) -> Page:
        context = await browser.new_context(**options)
        opened.append(context)
        context.set_default_timeout(PATIENCE * 1000)
        context.on("console", lambda message: _note(message, complaints))
        context.on("weberror", lambda error: complaints.append(f"{error.page and error.page.url}: {error.error}"))
        return await context.new_page()

    yield open_page
    for context in opened:
        await context.close()
    assert not complaints, "a page wrote errors to the console:\n" + "\n".join(complaints)


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    if message.type in ("error", "warning") and not message.text.startswith(_REPLY):
        complaints.append(f"{message.location.get('url', '')}: {message.text}")


@pytest_asyncio.fixture(loop_scope="session")
async def page(new_page: NewPage) -> Page:
    """A page in a fresh context, 1280 × 800, in English."""
    return await new_page(locale="en-GB", viewport={"width": 1280, "height": 800})


@pytest.fixture
def screenshot() -> Screenshot:
    """Keeps a picture of the whole page as ``.local/screenshots/<name>.png``: ``await screenshot(page, "form")``."""

    async def take(of: Page, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        file = SCREENSHOTS / f"{name}.png"
        await of.screenshot(path=file, full_page=True, animations="disabled")
        return file

    return take
