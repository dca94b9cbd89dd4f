"""A stand-in for the platform: a page from which a person opens the settings page of a sample organisation.

A real platform has its own sign-in and one link; here every click makes a fresh hand-over token, which lives for a
minute and is good for one use, so the address of this page never goes stale. It shows how little a platform has to
do: sign a few claims, and redirect.
"""

import html
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import parse_qs, urlencode

import jwt

from deploy.local.ports import LOOPBACK, free_block
from deploy.local.sandbox import HOST, MailServer

Role = Literal["admin", "viewer"]
_LIFETIME = 60
_TRIES = 20
_LONGEST = 2000

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Example Platform</title><link rel="icon" href="data:,">
<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}}
button{{font:inherit;padding:.3rem .8rem;margin:.2rem .4rem .2rem 0}}h2{{font-size:1.1rem;margin-bottom:0}}
th,td{{text-align:left;padding:.1rem .8rem .1rem 0}}</style>
</head><body><h1>Example Platform</h1>
<p>This page stands in for the platform that organisations sign in to. Each button opens Mailroom's settings page.</p>
{people}<h2>Mail servers to try it with</h2>
<p>They take mail and deliver nothing. Each takes it from its own sender address only; a mistake is worth a try too.</p>
<table><tr><th>Server<th>Port<th>Security<th>User name<th>Password<th>Sender address</tr>
{servers}</table>
{accounts}</body></html>
"""
_ACCOUNTS: Final = """<h2>Accounts to connect</h2>
<p>Stand-ins for both providers open where an account is connected. They take mail and deliver nothing either. A browser
warns of their certificates, which an authority of this demo has issued.</p>
<table><tr><th>Provider<th>Account<th>When it is chosen</tr>
{rows}</table>"""
_PERSON: Final = """<form method="post" action="/open"><h2>{id}</h2>
<input type="hidden" name="organization" value="{id}">
<button name="role" value="admin">Open as administrator</button>
<button name="role" value="viewer">Open as viewer</button></form>
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of an organisation, who is both its administrator and its viewer here."""

    organization: str
    name: str
    email: str


def hand_over(key: str, person: Person, role: Role, *, now: float) -> str:
    """A hand-over token for ``person``: signed claims that the settings page takes once, within a minute."""
    claims = {
        "aud": "mailroom",
        "organization": person.organization,
        "role": role,
        "email": person.email,
        "name": person.name,
        "jti": secrets.token_urlsafe(16),
        "iat": int(now),
        "exp": int(now) + _LIFETIME,
    }
    return jwt.encode(claims, key, algorithm="HS256")


class PlatformPage:
    """The page, in a thread of this process; a context manager.

    ``settings_url`` is where the settings page is. ``servers`` are shown with their passwords: mail catchers only.
    ``accounts`` are those that can be connected: provider, address, and what becomes of it.
    """

    def __init__(
        self,
        key: str,
        settings_url: str,
        people: Sequence[Person],
        servers: Sequence[MailServer] = (),
        accounts: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        self._key, self._servers, self._accounts = key, tuple(servers), tuple(accounts)
        self.settings_url = settings_url
        self.people = {person.organization: person for person in people}
        self._server = _listening()
        self._server.page = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="platform", daemon=True)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self._server.server_port}/"

    def token(self, organization: str, role: Role = "admin") -> str:
        """A fresh hand-over token for the person of an organisation."""
        return hand_over(self._key, self.people[organization], role, now=time.time())

    def target(self, organization: str, role: Role) -> str:
        """Where a click leads."""
        return f"{self.settings_url}/handover?{urlencode({'token': self.token(organization, role)})}"

    def text(self) -> str:
        """The page itself."""
        people = (_PERSON.format(id=html.escape(one)) for one in self.people)
        accounts = _ACCOUNTS.format(rows="\n".join(map(_cells, self._accounts))) if self._accounts else ""
        rows = "\n".join(map(_row, self._servers))
        return _PAGE.format(people="".join(people), servers=rows, accounts=accounts)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _row(server: MailServer) -> str:
    account = server.account
    values = (HOST, server.port, account.security, account.username, account.password, ", ".join(account.senders))
    return _cells(values)


def _cells(values: Sequence[object]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in values) + "</tr>"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    page: PlatformPage


def _listening() -> _Server:
    for attempt in range(1, _TRIES + 1):
        try:
            return _Server((LOOPBACK, free_block(1)), _Conversation)
        except OSError:
            if attempt == _TRIES:
                raise
    raise AssertionError("unreachable")


class _Conversation(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        """The page at ``/``."""
        if self.path == "/":
            self._answer(200, self.server.page.text())
        else:
            self._answer(404, "Not found")

    def do_POST(self) -> None:
        """A click: a fresh token, and on to the settings page."""
        length = self.headers.get("Content-Length", "0")
        size = int(length) if length.isascii() and length.isdigit() else 0
        fields = parse_qs(self.rfile.read(min(size, _LONGEST)).decode("utf-8", "replace"))
        organization, role = fields.get("organization", [""])[0], fields.get("role", [""])[0]
        elsewhere = self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin"
        if self.path != "/open" or organization not in self.server.page.people or elsewhere:
            self._answer(404, "Not found")
            return
        self.send_response(303)
        self.send_header("Location", self.server.page.target(organization, "admin" if role == "admin" else "viewer"))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:
        """Says nothing: tokens must not be told, and the terminal belongs to the demo."""
