"""Whatever is in the way when a provider sends a browser back: the code stays in no address, and the advice is true."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from config.errors import StoreUnavailable
from config.oauth.flows import Flow, Flows
from config.secrets import SecretBox
from config.sessions import Session
from config.testing import KEY
from config.web import errors
from config.web.offers import GOOGLE, MICROSOFT, OFFERS, Offer
from config.web.returning import INTERRUPTED, INVALID, NOT_ALLOWED, TOO_MANY
from config.web.views_connect import REFUSALS
from tests.integration.connect_site import come_back, get, leave
from tests.settings_site import Clock, Site, Visitor, settings_site

CODE = "the-code-itself"
WAYS_BACK = [(offer, path) for offer in OFFERS for path in (offer.callback, offer.admin_callback) if path]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with settings_site(tmp_path, clock=Clock(step=1.0)) as opened:
        yield opened


@pytest.fixture
async def ada(site: Site) -> Visitor:
    return await site.visitor()


class Failing(Flows):
    """What is kept of a flow cannot be had."""

    error: Exception = StoreUnavailable("the database does not answer")

    async def take(self, state: str, session_token: str) -> Flow | None:
        raise self.error


def failing(site: Site, error: Exception) -> None:
    flows = Failing(site.store, SecretBox([KEY]), now=site.clock.now)
    flows.error = error
    site.app.state.services = replace(site.services, flows=flows)


async def back(
    site: Site, path: str, headers: Mapping[str, str], *, method: str = "GET", **more: str
) -> httpx.Response:
    query = {"code": CODE, "state": "a-state", **more}
    return await site.client.request(method, path, headers=dict(headers), params=query)


def clean(answer: httpx.Response) -> str:
    """Where a redirection leads that tells nothing of what was asked."""
    assert answer.status_code == 303, answer.text
    assert CODE not in f"{answer.headers}{answer.text}"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    return answer.headers["location"]


def test_every_code_has_its_sentences() -> None:
    assert {NOT_ALLOWED, TOO_MANY, INTERRUPTED, INVALID} <= REFUSALS


@pytest.mark.parametrize(("offer", "path"), WAYS_BACK)
async def test_somebody_whose_session_has_ended_is_told_so_at_a_clean_address(
    site: Site, offer: Offer, path: str
) -> None:
    where = clean(await back(site, path, {}))
    assert where == "/connection-ended"
    page = await site.client.get(where)
    assert page.status_code == 401
    assert "nothing was connected" in page.text
    assert "Then connect the account once more" in page.text


PROBLEMS = {
    "an error of the store": (StoreUnavailable("away"), INTERRUPTED, "Something went wrong here"),
    "unreadable": (errors.PageProblem(503), INTERRUPTED, "Something went wrong here"),
    "too often": (errors.WebProblem(errors.TOO_MANY_REQUESTS), TOO_MANY, "Wait a minute, then connect again"),
    "not understood": (errors.PageProblem(422), INVALID, "Begin again on this page"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
async def test_every_problem_is_told_on_the_page_of_the_provider(site: Site, ada: Visitor, problem: str) -> None:
    error, code, said = PROBLEMS[problem]
    failing(site, error)
    for offer, path in WAYS_BACK:
        where = clean(await back(site, path, ada.cookie))
        assert where == f"{offer.path}?refused={code}"
        assert said in (await get(site, ada, where)).text


@pytest.mark.parametrize(("offer", "path"), WAYS_BACK)
async def test_a_viewer_is_told_whom_to_ask(site: Site, offer: Offer, path: str) -> None:
    viewer = await site.visitor(role="viewer")
    where = clean(await back(site, path, viewer.cookie))
    assert where == f"{offer.path}?refused=not_allowed"
    page = await get(site, viewer, where)
    assert f"not connect an account at {offer.company}" in page.text


async def test_a_mistake_of_ours_has_its_number(site: Site, ada: Visitor) -> None:
    failing(site, RuntimeError(CODE))
    where = clean(await back(site, GOOGLE.callback, ada.cookie))
    path, _, number = where.partition("?refused=interrupted&incident=")
    assert path == GOOGLE.path
    assert len(number) == 12
    assert f"Number: {number}" in (await get(site, ada, where)).text
    assert "<b>" not in (await get(site, ada, f"{path}?refused=interrupted&incident=<b>")).text


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS"])
async def test_another_kind_of_request_leaves_no_code_either(site: Site, ada: Visitor, method: str) -> None:
    for offer, path in WAYS_BACK:
        where = clean(await back(site, path, ada.browser, method=method))
        assert where == f"{offer.path}?refused=invalid"
        assert clean(await back(site, path, {}, method=method)) == "/connection-ended"
        assert urlsplit(clean(await back(site, path, ada.cookie, method=method))).path == offer.path


async def test_an_address_nearby_leaves_no_code(site: Site, ada: Visitor) -> None:
    where = clean(await back(site, "/oauth/microsoft/elsewhere", ada.cookie))
    assert where == "/oauth/microsoft/elsewhere"
    assert (await get(site, ada, where)).status_code == 404


async def test_too_many_requests_and_a_host_that_is_not_ours_leave_no_code(site: Site, ada: Visitor) -> None:
    site.clock.step *= 0
    answers = [await back(site, MICROSOFT.callback, ada.cookie, error="x") for _ in range(2)]
    while "refused=too_many" not in answers[-1].headers["location"]:
        assert len(answers) < 1000
        answers.append(await back(site, MICROSOFT.callback, ada.cookie))
        clean(answers[-1])
    elsewhere = await back(site, MICROSOFT.callback, {**ada.cookie, "Host": "evil.example"})
    assert clean(elsewhere) == f"{MICROSOFT.path}?refused=invalid"


async def test_a_database_that_is_away_at_the_entrance_leaves_no_code(site: Site, ada: Visitor) -> None:
    class Away:
        async def get(self, token: str) -> Session | None:
            raise StoreUnavailable("the database does not answer")

    # The entrance keeps the services it was made with.
    entrance = next(one for one in site.app.user_middleware if "services" in one.kwargs)
    entrance.kwargs["services"] = replace(site.services, sessions=Away())  # type: ignore[arg-type]
    site.app.middleware_stack = site.app.build_middleware_stack()
    where = clean(await back(site, GOOGLE.callback, ada.cookie))
    assert where == f"{GOOGLE.path}?refused=interrupted"
    assert (await get(site, ada, where)).status_code == 503


AHEAD = [
    {"Sec-Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
    {"X-Moz": "prefetch"},
    {"Sec-Fetch-Dest": "image"},
]


@pytest.mark.parametrize("ahead", AHEAD, ids=str)
async def test_a_browser_that_looks_ahead_uses_nothing_up(site: Site, ada: Visitor, ahead: dict[str, str]) -> None:
    state = await leave(site, ada, GOOGLE)
    looked = await back(site, GOOGLE.callback, {**ada.cookie, **ahead}, state=state)
    assert looked.status_code == 403
    assert (await back(site, GOOGLE.callback, ahead, state=state)).status_code == 401
    assert (await come_back(site, ada, GOOGLE, state)).headers["location"] == GOOGLE.sender
