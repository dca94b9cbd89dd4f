"""What a person enters about a connected account: the way mail leaves, an app of their own, the sender.

A secret is taken in and never put back.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from config.oauth.app_form import AppForm
from config.oauth.values import Way
from config.web.forms import Field, Problem, listed, with_mistakes
from config.web.offers import Offer
from config.web.views_connect import APP_PERMISSIONS, AppView

_SECRETS: Final = ("secret", "certificate", "key")
_SENDER: Final = ("sender_address", "sender_alias")
_LONGEST_SHOWN: Final = 1000

Problems = Iterable[tuple[str, str]]


def way_of(fields: Mapping[str, str]) -> Way:
    """The way that was chosen; the recommended one if it is none."""
    value = fields.get("way", "")
    return Way(value) if value in set(Way) else Way.API


def app_form(fields: Mapping[str, str]) -> AppForm:
    """The app that was entered. A form's line ends are those of the network; a file's are not."""
    return AppForm(
        mailbox=fields.get("mailbox", ""),
        tenant=fields.get("tenant", ""),
        client_id=fields.get("client_id", ""),
        **{name: fields.get(name, "").replace("\r\n", "\n") for name in _SECRETS},
    )


def app_view(offer: Offer, values: Mapping[str, str], *, in_use: bool, problems: Problems = ()) -> AppView:
    """The form as it is shown: what was typed, except secrets, and the mistakes beside their fields."""
    found = tuple(problems)

    def field(name: str) -> str:
        return "" if name in _SECRETS else values.get(name, "")[:_LONGEST_SHOWN]

    names = ("way", "mailbox", "tenant", "client_id", *_SECRETS)
    return AppView(
        offer,
        **{name: with_mistakes(name, field(name), found) for name in names},
        permission={way: APP_PERMISSIONS[offer.provider, way] for way in Way},
        in_use=in_use,
        problems=listed(found),
    )


def sender_fields(values: Mapping[str, str], problems: Problems = ()) -> tuple[Field, Field, tuple[Problem, ...]]:
    """E-mail and alias of the sender as they are shown, and the list of what is wrong with them."""
    found = tuple(problems)
    address, alias = (with_mistakes(name, values.get(name, "")[:_LONGEST_SHOWN], found) for name in _SENDER)
    return address, alias, listed(found)
