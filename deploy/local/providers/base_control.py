"""Steering a stand-in by HTTP: the same as its methods, for whoever runs it in another process.

``GET …/state`` tells, everything else is ``POST`` with a JSON object: ``…/fault`` (``endpoint``, ``kind`` – the name of
a :class:`Fault` method –, its arguments, ``times``, ``account``), ``…/clear_faults``, ``…/expire_secret``, and with an
``account`` each: ``…/revoke``, ``…/expire_access``, ``…/disable``, ``…/enable``, ``…/unlicense``.
"""

import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.local.providers.base_control_page import page_routes
from deploy.local.providers.base_values import Account, Fault, Mail

if TYPE_CHECKING:
    from deploy.local.providers.base import ProviderSandbox

_ABOUT_ACCOUNTS: Final = ("revoke", "expire_access", "disable", "enable", "unlicense")
_ABOUT_ALL: Final = ("expire_secret", "clear_faults")
_FAULTS: Final = {
    "status": ("code", "body", "headers"),
    "throttle": ("retry_after", "code"),
    "delay": ("seconds",),
    "cut_upload": (),
    "cut_before": (),
    "accept_and_cut": (),
    "accept_and_hang": (),
}

Work = Callable[[dict[str, Any]], object]
Handler = Callable[[web.Request], Awaitable[web.Response]]


def control_routes(box: "ProviderSandbox[Any]") -> Iterable[web.RouteDef]:
    """All below ``/control/{key}/``; without the right key there is nothing."""

    def guarded(work: Work) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            if not secrets.compare_digest(request.match_info["key"].encode(), box.control_key.encode()):
                raise web.HTTPNotFound
            text = await request.text()
            try:
                given = json.loads(text) if text else {}
                if not isinstance(given, dict):
                    raise TypeError("a JSON object is expected")
                return web.json_response(work(given) or {})
            except (ValueError, TypeError, LookupError) as error:
                return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

        return handle

    yield from page_routes(box)
    yield web.get("/control/{key}/state", guarded(lambda _: _state(box)))
    yield web.get("/control/{key}/mails", guarded(lambda _: {"mails": [_mail(one) for one in list(box.mails)]}))
    yield web.post("/control/{key}/fault", guarded(lambda given: add_fault(box, given)))
    for name in _ABOUT_ACCOUNTS:
        yield web.post(f"/control/{{key}}/{name}", guarded(_about_one(getattr(box, name))))
    for name, work in box.actions().items():
        yield web.post(f"/control/{{key}}/{name}", guarded(work))
    for name in _ABOUT_ALL:
        yield web.post(f"/control/{{key}}/{name}", guarded(_about_all(getattr(box, name))))


def _about_one(act: Callable[[str], None]) -> Work:
    return lambda given: act(str(given["account"]))


def _about_all(act: Callable[[], None]) -> Work:
    return lambda _: act()


def add_fault(box: "ProviderSandbox[Any]", given: dict[str, Any]) -> None:
    """Adds the fault that a JSON object describes.

    Raises:
        ValueError: there is no such kind, or an argument does not belong to it.
    """
    rest = dict(given)
    endpoint, kind = str(rest.pop("endpoint")), str(rest.pop("kind"))
    times, account = rest.pop("times", 1), rest.pop("account", None)
    if kind not in _FAULTS or not set(rest) <= set(_FAULTS[kind]):
        raise ValueError(f"a fault is one of: {', '.join(_FAULTS)}, with its arguments")
    box.fault(endpoint, getattr(Fault, kind)(**rest), times=times, account=account)


def _state(box: "ProviderSandbox[Any]") -> dict[str, object]:
    return {
        "url": box.url,
        "calls": dict(box.calls),
        "mails": len(box.mails),
        "accounts": [_account(one) for one in list(box.accounts.values())],
        "redirect_uris": sorted(box.redirect_uris),
    }


def _account(one: Account) -> dict[str, object]:
    return {
        "address": one.address,
        "name": one.name,
        "tenant": one.tenant,
        "aliases": list(one.aliases),
        "licensed": one.licensed,
        "consent": one.consent,
        "enabled": one.enabled,
    }


def _mail(one: Mail) -> dict[str, object]:
    return {
        "account": one.account,
        "sender": one.sender,
        "recipients": list(one.recipients),
        "content": base64.b64encode(one.content).decode("ascii"),
        "at": one.at,
        "form": one.form,
        "request_id": one.request_id,
    }
