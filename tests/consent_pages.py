"""A person in front of the stand-in's consent page of Microsoft, without a browser."""

import re
import ssl
from urllib.parse import parse_qsl, urlsplit

import httpx

from deploy.local.providers.microsoft import MicrosoftSandbox


async def decide(box: MicrosoftSandbox, url: str, account: str, choice: str = "accept") -> dict[str, str]:
    """What the browser brings back when somebody went through the page at ``url``: the query's fields."""
    trust = ssl.create_default_context(cafile=str(box.ca_file))
    async with httpx.AsyncClient(base_url=box.url, verify=trust) as browser:
        page = (await browser.get(url)).text
        answer = await browser.post(_action(page), data=_form(page) | {"account": account, "choice": choice})
        if answer.status_code == 200:  # a page that says why not, with a way back
            page = answer.text
            back = re.search(r'name="choice" value="(back:\d+)"', page)
            assert back is not None, page
            answer = await browser.post(_action(page), data=_form(page) | {"choice": back.group(1)})
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def _form(page: str) -> dict[str, str]:
    found = re.search(r'name="request" value="([^"]+)"', page)
    assert found is not None, page
    return {"request": found.group(1)}


def _action(page: str) -> str:
    found = re.search(r'action="([^"]+)"', page)
    assert found is not None, page
    return found.group(1)
