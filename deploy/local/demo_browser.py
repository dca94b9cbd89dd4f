"""A browser without a window: opens pages, fills in their forms and follows where they lead, as a person's does.

It knows no address but the first: everything else is taken from the pages, so a page that leads nowhere is noticed.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

_PATIENCE = 40.0
_MOST_REDIRECTS = 10


@dataclass(slots=True)
class Form:
    """A form: what it would send if nothing were changed. ``boxes`` are all that can be ticked, ticked or not."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    boxes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown after all redirects, and after pages that lead on by themselves at once."""

    url: str
    status: int
    text: str
    forms: tuple[Form, ...]

    def form(self, action: str) -> Form | None:
        """The first form that is sent to an address with this ending."""
        return next((one for one in self.forms if one.action.partition("?")[0].endswith(action)), None)


class Stuck(RuntimeError):
    """A page is not what was expected; the text says which, and what it shows."""


class Browser:
    """One browser with its cookies.

    They are kept by hand: a browser takes loopback for secure, and Python's cookie jars do not.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._cookies: dict[tuple[str, str], str] = {}

    def open(self, url: str) -> Page:
        """What is at an address.

        Raises:
            Stuck: nothing answers.
        """
        return self._page("GET", url)

    def send(self, page: Page, action: str, entered: Mapping[str, str | list[str]] | None = None) -> Page:
        """Sends the form of ``page`` whose address ends with ``action``, after ``entered`` was filled in.

        Raises:
            Stuck: there is no such form, or nothing answers.
        """
        form = page.form(action)
        if form is None:
            raise Stuck(f"{page.url} ({page.status}) has no form that leads to …{action}:\n{words(page.text)}")
        given: dict[str, str | list[str]] = {**form.fields, **(entered or {})}
        return self._page("POST", urljoin(page.url, form.action), given)

    def _page(self, method: str, url: str, data: Mapping[str, str | list[str]] | None = None) -> Page:
        for _ in range(_MOST_REDIRECTS):
            reply = self._reply(method, url, data)
            reader = _Reader()
            reader.feed(reply.text)
            target = reply.headers["Location"] if reply.is_redirect else reader.target
            if not target:
                return Page(url, reply.status_code, reply.text, tuple(reader.forms))
            # After a form 302 and 303 lead to a page that is looked at (RFC 9110 §15.4).
            method, url, data = "GET", urljoin(url, target), None
        raise Stuck(f"{url.partition('?')[0]} leads on and on")

    def _reply(self, method: str, url: str, data: Mapping[str, str | list[str]] | None) -> httpx.Response:
        host = urlsplit(url).netloc
        mine = [f"{name}={value}" for (place, name), value in self._cookies.items() if place == host]
        try:
            reply = self._client.request(method, url, data=data, headers={"Cookie": "; ".join(mine)} if mine else {})
        except httpx.HTTPError as error:
            raise Stuck(f"{url.partition('?')[0]} does not answer: {type(error).__name__}") from error
        self._client.cookies.clear()
        for line in reply.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[host, name.strip()] = value.strip()
        return reply


@contextmanager
def browser(ca_file: Path) -> Iterator[Browser]:
    """A browser that trusts one more authority."""
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    with httpx.Client(verify=context, timeout=_PATIENCE, trust_env=False) as client:
        yield Browser(client)


def words(text: str) -> str:
    """What a page says, without its markup, cut short."""
    reader = _Words()
    reader.feed(text)
    return " ".join(" ".join(reader.found).split())[:600]


class _Reader(HTMLParser):
    """Finds the forms of a page, and where it leads to by itself without a pause."""

    def __init__(self) -> None:
        super().__init__()
        self.target = ""
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A form, something in it that has a value, or a refresh."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""))
            self.forms.append(self._open)
        elif tag == "input" and self._open is not None and given.get("name"):
            self._input(self._open, given, dict(attrs))
        elif tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            seconds, _, target = given.get("content", "").partition("; url=")
            self.target = target if seconds == "0" else ""

    def handle_endtag(self, tag: str) -> None:
        """The end of a form."""
        if tag == "form":
            self._open = None

    @staticmethod
    def _input(form: Form, given: Mapping[str, str], attrs: Mapping[str, str | None]) -> None:
        name, value, kind = given["name"], given.get("value", ""), given.get("type", "text")
        if kind in ("checkbox", "radio"):
            form.boxes.append((name, value))
            if "checked" not in attrs:
                return
        if kind not in ("submit", "button"):
            form.fields.setdefault(name, []).append(value)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, _: object) -> None:
        """Style and script are not shown."""
        self._hidden += tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        """As above."""
        self._hidden -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        """Text."""
        if not self._hidden:
            self.found.append(data)
