"""What somebody does on the pages of connected accounts, without a browser: to the provider, back, and on."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import httpx

from config.web.offers import Offer
from tests.consenting import ORIGINS
from tests.settings_site import URL, Site, Visitor

SENDER = {"sender_address": "notifications@acme.example", "sender_alias": "Acme"}


async def post(site: Site, who: Visitor, path: str, **fields: str) -> httpx.Response:
    headers = {**who.cookie, "Origin": URL}
    return await site.client.post(path, headers=headers, data={"csrf": who.session.csrf, **fields})


async def get(site: Site, who: Visitor, path: str) -> httpx.Response:
    return await site.client.get(path, headers=who.cookie)


async def leave(site: Site, who: Visitor, offer: Offer, **fields: str) -> str:
    """Goes to the provider; the state it was sent with."""
    target = leading_to(await post(site, who, f"{offer.path}/connect", **fields))
    assert target.startswith(f"{ORIGINS[offer.provider]}/authorize?")
    return parse_qs(urlsplit(target).query)["state"][0]


def leading_to(answer: httpx.Response) -> str:
    """Where a page of ours takes the browser at once; it says so and has a link, too."""
    assert answer.status_code == 200, answer.text
    kept = [answer.headers[name] for name in ("referrer-policy", "cache-control")]
    assert kept == ["no-referrer", "no-store"]
    assert "You are being taken to " in answer.text
    assert "<form" not in answer.text  # it would come from nowhere that has a name
    (found,) = re.findall(r'<meta http-equiv="refresh" content="0; url=([^"]*)">', answer.text)
    assert f'href="{found}"' in answer.text
    return html.unescape(found)


async def come_back(site: Site, who: Visitor, offer: Offer, state: str, code: str = "a-code") -> httpx.Response:
    return await site.client.get(offer.callback, headers=who.cookie, params={"code": code, "state": state})


async def connect(site: Site, who: Visitor, offer: Offer, **fields: str) -> str:
    """There and back; where that leads."""
    answer = await come_back(site, who, offer, await leave(site, who, offer, **fields))
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def put_to_use(site: Site, who: Visitor, offer: Offer) -> None:
    """Connected, tested and in use."""
    assert await connect(site, who, offer) == offer.sender
    page = await get(site, who, offer.sender)
    answer = await post(site, who, offer.sender, **hidden(page.text), **SENDER)
    assert answer.status_code == 303, answer.text
    await ended(site, answer.headers["location"])


async def ended(site: Site, path: str) -> None:
    async for _ in site.services.trials.follow("acme", path.rpartition("/")[2]):
        pass


def hidden(page: str) -> dict[str, str]:
    """What the form on a page has that is not typed."""
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    return {name: found[name] for name in ("grant", "version")}
