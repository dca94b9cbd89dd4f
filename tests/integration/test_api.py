"""The JSON API as the platform's front end uses it: from a hand-over token to settings that are verified, and back."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.testing import smtp_form
from tests.fakes.smtpd import FakeSmtpd, Wire
from tests.fixtures_tls import TestCertificates
from tests.settings_site import Site, Visitor, reaching_loopback, settings_site

USER, PASSWORD = "notifications@acme.example", "the password of acme"


@pytest.fixture
def server(tls: TestCertificates) -> Iterator[FakeSmtpd]:
    with FakeSmtpd(tls=tls.server.server_context(), credentials=[(USER, PASSWORD)]) as running:
        yield running


@pytest.fixture
async def site(tmp_path: Path, tls: TestCertificates) -> AsyncIterator[Site]:
    async with settings_site(tmp_path, make_transport=reaching_loopback(tls.client_context())) as opened:
        yield opened


class Api:
    """The API for one visitor."""

    def __init__(self, site: Site, visitor: Visitor) -> None:
        self.site, self.visitor = site, visitor

    async def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.visitor.bearer, **options.pop("headers", {})}
        return await self.site.client.request(method, f"/api/v1{path}", headers=headers, **options)

    async def settings(self) -> dict[str, Any]:
        """What GET /settings says."""
        answer = await self("GET", "/settings")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def tested(self, settings: dict[str, Any] | None) -> dict[str, Any]:
        """Tests to the end and gives the result."""
        answer = await self("POST", "/tests", **({"json": settings} if settings is not None else {}))
        assert answer.status_code == 202, answer.text
        location = answer.headers["location"]
        async for _ in self.site.services.trials.follow(self.visitor.session.organization, answer.json()["id"]):
            pass
        result = await self.site.client.get(location, headers=self.visitor.bearer)
        found: dict[str, Any] = result.json()
        return found


@pytest.fixture
async def api(site: Site) -> Api:
    return Api(site, await site.visitor())


def entered(server: FakeSmtpd, **changes: Any) -> dict[str, Any]:
    """What an administrator enters."""
    return {
        "host": "localhost",
        "port": server.port,
        "security": "starttls",
        "username": USER,
        "password": PASSWORD,
        "sender_address": USER,
        "sender_alias": "Acme",
        **changes,
    }


async def test_from_nothing_to_verified_and_back(site: Site, api: Api, server: FakeSmtpd) -> None:
    empty = await api.settings()
    assert (empty["status"], empty["version"], empty["transport"]) == ("not_configured", 0, None)

    result = await api.tested(entered(server, version=0))
    assert (result["state"], [stage["ok"] for stage in result["stages"]]) == ("passed", [True] * 6), result
    assert [stage["name"] for stage in result["stages"]] == [
        *("address", "connect", "tls", "sign_in", "sender", "test_mail")
    ]
    assert result["stages"][2]["facts"]["protocol"].startswith("TLS")

    connected = await api.settings()
    assert (connected["status"], connected["version"]) == ("connected", result["version"])
    assert connected["transport"]["smtp"]["password_set"] is True
    assert connected["draft"] is None
    assert site.announced[-1] == ("acme", result["version"])

    (mail,) = server.mails
    assert mail.recipients == (api.visitor.session.email,)
    code = re.search(r"[0-9A-Z]{5}-[0-9A-Z]{5}", mail.content.decode())
    assert code is not None
    verified = await api("POST", "/verification", json={"code": code.group()})
    assert verified.status_code == 200
    assert (await api.settings())["status"] == "verified"
    again = await api("POST", "/verification", json={"code": code.group()})
    assert (again.status_code, again.json()["code"]) == (409, "code_used")
    assert (again.json()["title"], again.json()["test"]) == ("The code was taken before", result["id"])
    wrong = await api("POST", "/verification", json={"code": "22222-22222"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_code")

    back = await api("POST", "/disconnection", json={"confirm": "acme"})
    assert (back.status_code, back.json()["status"]) == (200, "not_configured")
    twice = await api("POST", "/disconnection", json={"confirm": "acme"})
    assert (twice.status_code, twice.json()["code"]) == (409, "not_configured")
    actions = [change["action"] for change in (await api("GET", "/history")).json()["changes"]]
    assert actions == ["disconnected", "verified", "configured"]


async def test_a_failed_test_says_what_to_do_and_leaves_everything_as_it_was(api: Api, server: FakeSmtpd) -> None:
    await api.tested(entered(server))
    before = await api.settings()
    result = await api.tested(entered(server, password="not this one", version=before["version"]))
    failed = result["stages"][-1]
    assert (result["state"], failed["name"], failed["code"]) == ("failed", "sign_in", "sign_in_refused")
    assert failed["meaning"]
    assert failed["next_step"]
    after = await api.settings()
    assert after["draft"]["password_set"] is True
    assert {**after, "draft": None, "latest_test": None} == {**before, "draft": None, "latest_test": None}


async def test_a_test_without_settings_is_of_those_in_use(api: Api, server: FakeSmtpd) -> None:
    nothing = await api("POST", "/tests")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "not_configured")
    await api.tested(entered(server))
    result = await api.tested(None)
    assert (result["subject"], result["state"]) == ("active", "passed")


async def test_a_draft_is_kept_changed_and_discarded_and_never_in_use(api: Api, server: FakeSmtpd) -> None:
    saved = await api("PUT", "/draft", json=entered(server))
    assert (saved.status_code, saved.json()["password_set"]) == (200, True)
    blank = await api("PUT", "/draft", json=entered(server, password=None, sender_alias="Acme Ltd"))
    assert (blank.json()["password_set"], blank.json()["sender"]["alias"]) == (True, "Acme Ltd")
    settings = await api.settings()
    assert (settings["status"], settings["draft"]) == ("not_configured", blank.json())
    assert (await api.tested(entered(server, password=None)))["state"] == "passed"
    await api("PUT", "/draft", json=entered(server))
    for _ in range(2):
        assert (await api("DELETE", "/draft")).status_code == 204
    assert (await api.settings())["draft"] is None


@pytest.mark.parametrize(("method", "path"), [("PUT", "/draft"), ("POST", "/tests")])
async def test_a_change_of_settings_that_are_others_by_now_is_refused(
    api: Api, server: FakeSmtpd, method: str, path: str
) -> None:
    await api.tested(entered(server))
    before = await api.settings()
    answer = await api(method, path, json=entered(server, version=0, sender_alias="Old"))
    assert (answer.status_code, answer.json()["code"]) == (409, "settings_changed")
    assert await api.settings() == before


async def test_one_test_at_a_time_and_not_too_many(site: Site, api: Api, server: FakeSmtpd) -> None:
    hanging = FakeSmtpd(tls=server.tls, credentials=[(USER, PASSWORD)])
    with hanging:
        hanging.script.on("GREETING", Wire.HANG)
        first = await api("POST", "/tests", json=entered(hanging))
        second = await api("POST", "/tests", json=entered(hanging, sender_alias="Second"))
        assert (second.status_code, second.json()["code"]) == (409, "test_running")
        assert second.headers["location"] == first.headers["location"]
        assert second.json()["test"] == first.json()["id"]
        assert (await api.settings())["draft"]["sender"]["alias"] == "Second"
        await site.services.trials.aclose()
    answers = []
    for _ in range(8):
        answers.append(await api("POST", "/tests", json=entered(server)))
        if answers[-1].status_code == 202:
            async for _ in site.services.trials.follow("acme", answers[-1].json()["id"]):
                pass
    throttled = [answer for answer in answers if answer.status_code != 202]
    assert throttled
    assert {(answer.status_code, answer.json()["code"]) for answer in throttled} == {(429, "too_many_tests")}
    assert int(throttled[0].headers["retry-after"]) == throttled[0].json()["retry_after"] >= 1


async def test_mistakes_are_told_by_field_in_the_readers_language(site: Site, server: FakeSmtpd) -> None:
    french, english = Api(site, await site.visitor(locale="fr-CA")), Api(site, await site.visitor())
    wrong = entered(server, host="http://localhost", sender_alias="", password="never to be seen again")
    told = [await one("POST", "/tests", json=wrong) for one in (english, french)]
    for answer in told:
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_settings")
        assert {mistake["field"] for mistake in answer.json()["errors"]} == {"host", "sender_alias"}
        assert "never to be seen again" not in answer.text
    assert told[0].json()["title"] != told[1].json()["title"]
    assert told[0].json()["errors"][0]["message"] != told[1].json()["errors"][0]["message"]
    shapes = [
        {**wrong, "port": "587"},
        {**wrong, "security": "none"},
        {**wrong, "unknown": "x"},
        {**wrong, "kind": "pigeon"},
        {name: value for name, value in wrong.items() if name != "host"},
    ]
    for shape in shapes:
        answer = await english("POST", "/tests", json=shape)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert "never to be seen again" not in answer.text
    assert (await english.settings())["draft"] is None


async def test_a_language_asked_for_counts_where_the_platform_named_none(site: Site) -> None:
    api = Api(site, await site.visitor())
    for wanted, title in (("fr-FR, en;q=0.5", "Rien n’est configuré"), ("en", "Nothing is configured")):
        answer = await api("POST", "/tests", headers={"Accept-Language": wanted})
        assert answer.json()["title"] == title


async def test_the_history_comes_in_pages(site: Site, api: Api) -> None:
    for number in range(5):
        await site.services.organizations.configure_smtp("acme", smtp_form(sender_alias=f"Acme {number}"))
    seen, cursor = [], None
    while True:
        page = (await api("GET", "/history", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [field["new"] for change in page["changes"] for field in change["fields"] if "alias" in field["name"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"Acme {number}" for number in reversed(range(5))]


async def test_the_domain_is_that_of_the_sender(site: Site, api: Api, server: FakeSmtpd) -> None:
    nothing = await api("GET", "/domain")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "no_domain")
    await api("PUT", "/draft", json=entered(server))
    report = (await api("GET", "/domain", params={"selector": "s1"})).json()
    assert (report["domain"], report["spf"]["state"]) == ("acme.example", "missing")
    assert report["spf"]["next_step"]
    assert (await api("POST", "/domain", json={"selector": "S1"})).json()["domain"] == "acme.example"
    await api("PUT", "/draft", json=entered(server, sender_address="no address", host="no host"))
    assert (await api("GET", "/domain")).json()["code"] == "no_domain"


async def test_a_session_tells_who_it_is_and_ends(site: Site, api: Api) -> None:
    session = (await api("GET", "/session")).json()
    assert (session["organization"], session["role"], session["email"]) == ("acme", "admin", "ada@acme.example")
    assert session["csrf_token"] == api.visitor.session.csrf
    assert api.visitor.token not in str(session)
    assert (await api("DELETE", "/session")).status_code == 204
    gone = await api("GET", "/session")
    assert (gone.status_code, gone.headers["content-type"]) == (401, "application/problem+json")
    assert gone.headers["www-authenticate"].startswith("Bearer")


async def test_the_description_is_served_to_anybody(site: Site) -> None:
    answer = await site.client.get("/api/v1/openapi.json")
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    assert all(path.startswith("/api/v1/") for path in document["paths"])
    assert "password" not in document["components"]["schemas"]["SmtpOut"]["properties"]
    assert (
        document["components"]["schemas"]["SmtpSettingsIn"]["properties"]["password"]["anyOf"][0]["writeOnly"] is True
    )
