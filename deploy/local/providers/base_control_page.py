"""The same steering for a person: a page with a button for each thing that can go wrong, and the mails taken so far."""

import secrets
from collections.abc import Awaitable, Callable, Iterable
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.local.providers import base_pages as pages
from deploy.local.providers.base_pages import Option
from deploy.local.providers.base_values import Account, Fault

if TYPE_CHECKING:
    from deploy.local.providers.base import ProviderSandbox

_BRAND: Final = "Provider sandbox"
_ACCOUNTS: Final = (
    Option("revoke", "Revoke the grant"),
    Option("expire_access", "Expire access tokens"),
    Option("disable", "Disable the account"),
    Option("unlicense", "Take the licence away"),
    Option("enable", "Make it good again"),
)
_FAULTS: Final = {
    "throttle": ("Throttle the next mail for 30 seconds", Fault.throttle(30)),
    "unavailable": ("Fail the next mail", Fault.status(503)),
    "lose": ("Take the next mail, but lose the answer", Fault.accept_and_cut()),
    "slow": ("Be slow with the next mail", Fault.delay(20)),
}

Handler = Callable[[web.Request], Awaitable[web.Response]]


def page_routes(box: "ProviderSandbox[Any]") -> Iterable[web.RouteDef]:
    """The page at ``/control/{key}/``, what its buttons do, and each mail as text."""

    def guarded(work: Handler) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            if not secrets.compare_digest(request.match_info["key"].encode(), box.control_key.encode()):
                raise web.HTTPNotFound
            return await work(request)

        return handle

    async def show(_: web.Request) -> web.Response:
        return _page(box)

    async def act(request: web.Request) -> web.Response:
        form = await request.post()
        _press(box, str(form.get("what", "")), str(form.get("account", "")))
        return web.Response(status=303, headers={"Location": f"/control/{box.control_key}/"})

    async def mail(request: web.Request) -> web.Response:
        place = int(request.match_info["place"])
        if place >= len(box.mails):
            raise web.HTTPNotFound
        return web.Response(body=box.mails[place].content, content_type="text/plain", charset="utf-8")

    yield web.get("/control/{key}/", guarded(show))
    yield web.post("/control/{key}/act", guarded(act))
    yield web.get("/control/{key}/mails/{place:[0-9]{1,9}}", guarded(mail))


def _press(box: "ProviderSandbox[Any]", what: str, account: str) -> None:
    if what in {one.value for one in _ACCOUNTS} and account.lower() in box.accounts:
        getattr(box, what)(account)
    elif what in _FAULTS:
        box.fault("send", _FAULTS[what][1])
    elif what in ("expire_secret", "clear_faults"):
        getattr(box, what)()


def _page(box: "ProviderSandbox[Any]") -> web.Response:
    act = f"/control/{box.control_key}/act"
    faults = [Option(name, label) for name, (label, _) in _FAULTS.items()]
    ours = (Option("expire_secret", "Expire the platform’s client secret"), Option("clear_faults", "Clear faults"))
    return pages.page(
        _BRAND,
        "What shall go wrong?",
        *(part for one in list(box.accounts.values()) for part in _account(one, act)),
        pages.heading("Everybody"),
        pages.form(act, {}, pages.buttons("what", *faults, *ours)),
        pages.heading("Mails taken, latest first"),
        pages.links((f"mails/{place}", _summary(box, place)) for place in reversed(range(len(box.mails)))),
    )


def _account(one: Account, act: str) -> Iterable[str]:
    state = [] if one.enabled else ["disabled"]
    state += [] if one.licensed else ["without licence"]
    state += [f"tokens refused: {one.refused}"] if one.refused else []
    yield pages.heading(f"{one.name} ({one.address})" + (f": {', '.join(state)}" if state else ""))
    yield pages.form(act, {"account": one.address}, pages.buttons("what", *_ACCOUNTS))


def _summary(box: "ProviderSandbox[Any]", place: int) -> str:
    mail = box.mails[place]
    head = message_from_bytes(mail.content.partition(b"\r\n\r\n")[0], policy=policy.default)
    return f"{head['Subject']} – from {head['From']} to {', '.join(mail.recipients)}"
