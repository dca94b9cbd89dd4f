"""Passwords and tokens that were used are found nowhere: database, log, list of processes, answers."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, urlsplit

import httpx
import psutil
import pytest

from tests.browser.serving import Someone, WebProcess
from tests.fakes.smtpd import FakeSmtpd
from tests.fixtures_tls import TestCertificates
from tests.running import environment
from tests.waiting import eventually_blocking

USER = "canary-user"
GOOD = "canary-good-Zx81 and more"
WORDS = {
    name: f"canary-{name}-Qy17!é"
    for name in (
        "refused",
        "draft",
        "page-draft",
        "page-refused",
        "misspelt",
        "unknown-field",
        "query",
        "broken",
        "number",
    )
}
ADA = Someone("acme", "ada@acme.example")


@pytest.fixture
def server(tls: TestCertificates) -> Iterator[FakeSmtpd]:
    with FakeSmtpd(tls=tls.server.server_context(), credentials=[(USER, GOOD)]) as running:
        yield running


@pytest.fixture
def web(tmp_path: Path, tls: TestCertificates, server: FakeSmtpd) -> Iterator[WebProcess]:
    variables = environment(
        "amqp://127.0.0.1:1/",
        tmp_path,
        smtp_ports=server.port,
        allow_networks="127.0.0.0/8,::1/128",
        tls_ca_file=tls.ca_file,
        log_level="debug",
    )
    with WebProcess(variables, tmp_path) as running:
        yield running


def entered(server: FakeSmtpd, password: str, **changes: object) -> dict[str, object]:
    """What an administrator enters."""
    return {
        "host": "localhost",
        "port": server.port,
        "security": "starttls",
        "username": USER,
        "password": password,
        "sender_address": "notifications@acme.example",
        "sender_alias": "Acme",
        **changes,
    }


class Everything:
    """All that was answered, by API and pages, and the tokens that were used for it."""

    def __init__(self, web: WebProcess) -> None:
        self.web = web
        self.heard: list[str] = []
        self.tokens: list[str] = []

    def client(self, **options: object) -> httpx.Client:
        """A client whose answers are kept."""
        made = httpx.Client(base_url=self.web.url, timeout=20, **options)  # type: ignore[arg-type]
        made.event_hooks = {"response": [self._keep]}
        return made

    def handover(self) -> str:
        """A token of the platform."""
        token = parse_qs(urlsplit(self.web.door(ADA)).query)["token"][0]
        self.tokens.append(token)
        return token

    def _keep(self, response: httpx.Response) -> None:
        response.read()
        kept = {name: value for name, value in response.headers.items() if name != "set-cookie"}
        self.heard.append(f"{kept}\n{response.text}")


def test_no_secret_is_found_anywhere(web: WebProcess, tmp_path: Path, server: FakeSmtpd) -> None:
    everything = Everything(web)
    opened = _by_api(everything, server)
    csrf = _by_pages(everything, server)
    processes = _processes()

    database = b"".join(file.read_bytes() for file in tmp_path.glob("mailroom.db*"))
    log = web.log.read_bytes()
    assert b"localhost" in database, "what is searched is not the database that was used"
    assert b"/api/v1/tests" in log, "what is searched is not the log of these requests"
    assert any("consumer" in line and "web" in line for line in processes), processes
    places = {
        "database": database,
        "log": log,
        "processes": "\n".join(processes).encode(),
        "answers": "\n".join(everything.heard).encode(),
    }
    passwords = [GOOD, *WORDS.values()]
    found = [(place, secret) for place, data in places.items() for secret in passwords if _has(data, secret)]
    tokens = [*everything.tokens, *opened]
    found += [(place, one) for place in ("database", "log", "processes") for one in tokens if _has(places[place], one)]
    found += [("log", csrf)] if _has(log, csrf) else []
    assert found == []


def _by_api(everything: Everything, server: FakeSmtpd) -> list[str]:
    token = everything.handover()
    first = httpx.post(f"{everything.web.url}/api/v1/sessions", json={"token": token})
    assert first.status_code == 201
    access: str = first.json()["access_token"]
    with everything.client(headers={"Authorization": f"Bearer {access}"}) as client:
        client.post("/api/v1/sessions", json={"token": token})
        assert _tested(client, entered(server, WORDS["refused"])) == "failed"
        assert _tested(client, entered(server, GOOD)) == "passed"
        assert client.put("/api/v1/draft", json=entered(server, WORDS["draft"])).status_code == 200
        for wrong in (
            entered(server, WORDS["misspelt"], host="not a host"),
            entered(server, WORDS["number"], port=WORDS["number"]),
            entered(server, "", **{WORDS["unknown-field"]: WORDS["unknown-field"]}),
        ):
            assert client.put("/api/v1/draft", json=wrong).status_code in (200, 422)
        client.get("/api/v1/history", params={"cursor": WORDS["query"], WORDS["query"]: "1"})
        client.get(f"/api/v1/{quote_plus(WORDS['query'])}")
        broken = ('{"host": "localhost", "password": "' + WORDS["broken"]).encode()
        assert client.post("/api/v1/tests", content=broken, headers={"Content-Type": "application/json"}).is_error
        for path in ("settings", "history", "session"):
            client.get(f"/api/v1/{path}")
    return [access]


def _tested(client: httpx.Client, settings: dict[str, object]) -> str:
    answer = client.post("/api/v1/tests", json=settings)
    assert answer.status_code == 202, answer.text

    def ended() -> str | None:
        state: str = client.get(answer.headers["location"]).json()["state"]
        return None if state == "running" else state

    found = eventually_blocking(ended, 20, what="the end of the test")
    assert found is not None
    return found


def _by_pages(everything: Everything, server: FakeSmtpd) -> str:
    with everything.client(follow_redirects=True) as client:
        page = client.get("/handover", params={"token": everything.handover()}).text
        cookie = client.cookies.get("__Host-mailroom")
        assert cookie is not None
        everything.tokens.append(cookie)
        # The cookie is for TLS, which a browser does not insist on for this machine; this client does.
        client.headers["Cookie"] = f"__Host-mailroom={cookie}"
        page = client.get("/settings/smtp").text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)
        version = re.search(r'name="version" value="(\d+)"', page)
        assert csrf is not None
        assert version is not None
        common = {"csrf": csrf.group(1), "version": version.group(1)}
        for intent, password, host in (
            ("draft", WORDS["page-draft"], "localhost"),
            ("test", WORDS["page-refused"], "localhost"),
            ("test", WORDS["misspelt"], "not a host"),
        ):
            fields = {**entered(server, password, host=host), **common, "intent": intent}
            client.post("/settings/smtp", data=fields, headers={"Origin": everything.web.url})
        client.post("/settings/smtp", data=entered(server, WORDS["query"]), headers={"Origin": everything.web.url})
        client.get("/settings", params={"password": WORDS["query"]})
        client.get("/settings/history")
    return csrf.group(1)


def _processes() -> list[str]:
    return [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]


def _has(data: bytes, secret: str) -> bool:
    """As it is, as an address has it, and as a sign-in has it, alone or behind the user's name."""
    plain = secret.encode()
    forms = {plain, quote_plus(secret).encode(), secret.encode("utf-16-le"), base64.b64encode(plain).rstrip(b"=")}
    forms |= {base64.b64encode(b"\0" + USER.encode() + b"\0" + plain).rstrip(b"=")[:-2], repr(secret).encode()}
    forms |= {plain.decode().encode("unicode_escape")}
    return any(form in data for form in forms)
