"""Pages as a browser gets them: the one that grows while a test runs, what is kept of static files, the domain."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from config.actors import OPERATOR
from config.testing import smtp_form
from config.trial_values import TrialState, TrialSubject
from config.web.forms import form_fields
from config.web.reports import Question, Reports
from tests.settings_site import URL, Site, Visitor, settings_site
from tests.waiting import eventually
from transports.protocol import OnStage, Probe, Stage
from transports.testing import PASSED, RecordingTransport


class Gated(RecordingTransport):
    """Ends one stage each time it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Semaphore(0)

    async def check(
        self, timeout: float, *, probe: Probe | None = None, on_stage: OnStage | None = None
    ) -> Sequence[Stage]:
        assert on_stage is not None
        for stage in PASSED:
            await self.let.acquire()
            on_stage(stage)
        return PASSED


class Reader:
    """A browser that reads a page while it comes, and may go away."""

    def __init__(self, site: Site, path: str, visitor: Visitor) -> None:
        self.text, self.ended = "", False
        self.headers: dict[str, str] = {}
        self._gone = asyncio.Event()
        self._asked = False
        headers = {"host": URL.removeprefix("https://"), **visitor.cookie}
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.1", 50_000),
            "server": ("192.0.2.2", 443),
        }
        self.task = asyncio.ensure_future(site.app(scope, self._receive, self._send))

    def shows(self, passed: int, under_way: str) -> bool:
        """Whether so many stages have passed, and this one is under way."""
        return self.text.count(">passed<") == passed and f"<h3>{under_way}</h3>" in self.text.rsplit("running", 1)[-1]

    def leave(self) -> None:
        """Closes the window."""
        self._gone.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message.get("body", b"").decode()
            self.ended = not message.get("more_body", False)


@pytest.fixture
def transport() -> Gated:
    return Gated()


@pytest.fixture
async def site(tmp_path: Path, transport: Gated) -> AsyncIterator[Site]:
    async with settings_site(tmp_path, make_transport=lambda settings: transport) as opened:
        yield opened


async def begin(site: Site, visitor: Visitor) -> str:
    """Sends the form; the path of the test's page."""
    fields = {**form_fields(smtp_form()), "password": "correct horse", "intent": "test", "csrf": visitor.session.csrf}
    answer = await site.client.post(
        "/settings/smtp",
        content=urlencode(fields),
        headers={**visitor.cookie, "Origin": URL, "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


async def test_stages_are_shown_as_they_end(site: Site, transport: Gated) -> None:
    """Each before the next has ended, with the one that is under way; then the result."""
    ada = await site.visitor()
    reader = Reader(site, await begin(site, ada), ada)
    await eventually(lambda: "under way…" in reader.text)
    assert reader.headers["x-accel-buffering"] == "no"
    assert "passed" not in reader.text
    for number, title in enumerate(("Connection", "Encryption and certificate", "Sign-in", "Sender accepted"), start=1):
        transport.let.release()
        await eventually(partial(reader.shows, number, title))
        assert "result-title" not in reader.text
        assert not reader.ended
    transport.let.release()
    await reader.task
    assert reader.text.count(">passed<") == 6
    assert reader.text.rstrip().endswith("</html>")
    assert "The settings are in use from now on." in reader.text
    assert "<!--cut-->" not in reader.text


async def test_going_away_does_not_stop_the_test(site: Site, transport: Gated) -> None:
    ada = await site.visitor()
    path = await begin(site, ada)
    reader = Reader(site, path, ada)
    await eventually(lambda: "under way…" in reader.text)
    reader.leave()
    await eventually(reader.task.done)
    for _ in PASSED:
        transport.let.release()

    seen = [trial async for trial in site.services.trials.follow("acme", path.rpartition("/")[2])]
    assert seen[-1].state is TrialState.PASSED
    summary = await site.services.organizations.describe("acme")
    assert summary is not None
    assert summary.host == "mail.acme.example"
    # Whoever comes back finds the result.
    answer = await site.client.get(path, headers=ada.cookie)
    assert "Every stage passed" in answer.text


async def test_of_many_open_pages_of_a_test_a_few_grow(site: Site, transport: Gated) -> None:
    """Whoever opens more sees how far it has come; one that was closed makes room, and nobody else is kept waiting."""
    ada, ben = await site.visitor(), await site.visitor(role="viewer")
    path = await begin(site, ada)
    readers = [Reader(site, path, ada) for _ in range(4)]
    for reader in readers:
        await eventually(partial(reader.shows, 0, "Address of the server"))
    transport.let.release()
    await eventually(partial(readers[0].shows, 1, "Connection"))
    async with asyncio.timeout(20):
        plain = await site.client.get(path, headers=ada.cookie)
    assert plain.status_code == 200
    assert plain.text.count(">passed<") == 1
    assert ">Look again<" in plain.text

    other = Reader(site, path, ben)
    await eventually(partial(other.shows, 1, "Connection"))
    readers.pop().leave()
    await eventually(lambda: len(site.app.state.streams) == 4)
    readers.append(Reader(site, path, ada))
    await eventually(partial(readers[-1].shows, 1, "Connection"))
    for _ in PASSED:
        transport.let.release()
    for reader in (*readers, other):
        await reader.task
        assert "Every stage passed" in reader.text
    assert len(site.app.state.streams) == 0


async def test_a_second_test_leads_to_the_one_under_way(site: Site) -> None:
    ada = await site.visitor()
    first = await begin(site, ada)
    assert await begin(site, ada) == f"{first}?done=busy"


async def test_too_many_tests_are_told_with_the_minutes_to_wait(site: Site) -> None:
    """Six in ten minutes are allowed, of which three have passed."""
    version = await site.services.organizations.configure_smtp("acme", smtp_form())
    for _ in range(6):
        trial = await site.services.trial_rows.begin(
            "acme",
            OPERATOR,
            subject=TrialSubject.ACTIVE,
            kind="smtp",
            server="s",
            sender="s",
            code="c",
            version=version,
        )
        await site.services.trial_rows.finish(trial.id, TrialState.PASSED)
    site.clock.pass_(200)
    ada = await site.visitor()
    answer = await site.client.post("/settings/test", headers=ada.browser)
    assert answer.headers["location"] == "/settings?done=often&minutes=7"
    page = await site.client.get(answer.headers["location"], headers=ada.cookie)
    assert "There were too many tests in a short time. You can test again in 7 minutes." in page.text
    answer = await site.client.post(
        "/settings/smtp",
        headers=ada.browser,
        data={**form_fields(smtp_form()), "version": str(version), "intent": "test"},
    )
    assert answer.status_code == 429
    assert "What you entered is kept as a draft. You can test again in 7 minutes." in answer.text


async def test_anothers_test_is_not_there(site: Site) -> None:
    path = await begin(site, await site.visitor())
    other = await site.visitor("other")
    assert (await site.client.get(path, headers=other.cookie)).status_code == 404


async def test_static_files_are_kept_for_ever_by_their_fingerprint_only(site: Site) -> None:
    page = await site.client.get("/settings", headers=(await site.visitor()).cookie)
    address = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    found = await site.client.get(address)
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert found.headers["content-type"] == "text/css; charset=utf-8"
    plain = await site.client.get(address.split("?")[0])
    assert plain.headers["cache-control"] == "no-cache"
    assert (await site.client.get("/static/nothing.css")).status_code == 404


async def test_the_settings_page_never_waits_for_the_dns(site: Site) -> None:
    """It shows what is remembered, and the next look has more."""
    question = Question("acme", "acme.example", None)
    asked = asyncio.Event()
    checks = site.services.domains

    async def slow(domain: str, **options: Any) -> Any:
        await asked.wait()
        return await checks(domain, **options)

    reports = Reports(slow)
    assert reports.remembered(question) is None
    assert reports.remembered(question) is None
    asked.set()
    await eventually(lambda: reports.remembered(question) is not None)
    again = await reports.report(question, selector="mail", refresh=True)
    assert reports.remembered(question) is again
    assert reports.selector(question) == "mail"
    await reports.report(question)
    assert reports.selector(question) == "mail"


async def test_a_selector_that_is_none_is_refused_beside_its_field(site: Site) -> None:
    await site.services.organizations.configure_smtp("acme", smtp_form())
    ada = await site.visitor()
    form = {**ada.browser, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await site.client.post("/settings/domain", content="selector=not+one", headers=form)
    assert answer.status_code == 422
    assert 'id="selector-mistake"' in answer.text
    answer = await site.client.post("/settings/domain", content="selector=s1", headers=form)
    assert answer.headers["location"] == "/settings/domain?done=checked"
    page = await site.client.get("/settings/domain", headers=ada.cookie)
    assert 'value="s1"' in page.text


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/settings/../sign-out", "/api/v1/history"]
)
async def test_changing_the_language_leads_to_pages_of_ours_only(site: Site, back: str) -> None:
    ada = await site.visitor()
    form = {**ada.browser, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await site.client.post("/language", content=urlencode({"language": "fr", "back": back}), headers=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings")
    assert '<html lang="fr">' in (await site.client.get("/settings", headers=ada.cookie)).text


@pytest.mark.parametrize("wrong", [{"sender_address": "u@bad domain!!"}, {"host": "bad host"}, {"sender_address": ""}])
async def test_a_draft_that_makes_no_sense_breaks_no_page(site: Site, wrong: dict[str, str]) -> None:
    ada = await site.visitor()
    await site.services.drafts.save("acme", smtp_form(**wrong), OPERATOR)
    for path in ("/settings", "/settings/domain", "/settings/smtp"):
        assert (await site.client.get(path, headers=ada.cookie)).status_code == 200
