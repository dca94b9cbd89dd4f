"""Connecting an account, as it is shown: what a permission allows, whose account it is, and what went wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.advice import advise
from config.choices import Summary
from config.grants import Grant
from config.languages import N_, Sentence
from config.oauth.values import Method, Provider, Way
from config.web.forms import Field, Problem
from config.web.offers import Offer
from config.web.returning import INTERRUPTED, INVALID, NOT_ALLOWED, TOO_MANY
from config.web.views import Notice
from transports.errors import Code


@dataclass(frozen=True, slots=True)
class Permission:
    """What is asked for: its name at the provider, and what it allows."""

    name: str
    allows: str


PERMISSIONS: Final[Mapping[tuple[Provider, Way], Permission]] = {
    (Provider.MICROSOFT, Way.API): Permission(
        "Mail.Send", N_("It allows sending mail as this account, and nothing else: no mail is read, listed or changed.")
    ),
    (Provider.MICROSOFT, Way.SMTP): Permission(
        "SMTP.Send",
        N_("It allows sending mail as this account by SMTP, and nothing else: no mail is read, listed or changed."),
    ),
    (Provider.GOOGLE, Way.API): Permission(
        "gmail.send",
        N_("It allows sending mail as this account, and nothing else: no mail is read, listed or changed."),
    ),
    (Provider.GOOGLE, Way.SMTP): Permission(
        "https://mail.google.com/",
        N_("Google has no smaller permission for SMTP: it also allows reading and deleting all mail of this account."),
    ),
}
APP_PERMISSIONS: Final[Mapping[tuple[Provider, Way], str]] = {
    (Provider.MICROSOFT, Way.API): "Application Mail.Send",
    (Provider.MICROSOFT, Way.SMTP): "SMTP.SendAsApp",
    (Provider.GOOGLE, Way.API): "https://www.googleapis.com/auth/gmail.send",
    (Provider.GOOGLE, Way.SMTP): "https://mail.google.com/",
}
"""What an administrator of the customer grants to an app of their own; to be typed as it stands."""


_TENANTS: Final[Mapping[tuple[Provider, Method], str]] = {
    (Provider.MICROSOFT, Method.PERSON): N_("Directory (tenant) ID"),
    (Provider.MICROSOFT, Method.APP): N_("Directory (tenant) ID"),
    (Provider.GOOGLE, Method.PERSON): N_("Google Workspace"),
    (Provider.GOOGLE, Method.APP): N_("Project"),
}


@dataclass(frozen=True, slots=True)
class Account:
    """A connected account. ``tenant`` is its organisation's name at the provider, which calls that ``tenant_label``."""

    email: str
    name: str
    tenant: str
    tenant_label: str
    app: bool
    way: Way


def account_of(grant: Grant) -> Account:
    """The account that consented, or the mailbox of an app."""
    known = grant.identity
    label = _TENANTS[grant.provider, grant.method]
    return Account(known.email, known.name, known.tenant, label, grant.method is Method.APP, grant.way)


def account_in_use(summary: Summary | None, offer: Offer) -> Account | None:
    """The account of the settings in use, if they are of this provider."""
    if summary is None or summary.kind != offer.kind:
        return None
    app, way = summary.method is Method.APP, summary.way or Way.API
    return Account(summary.account_email, summary.account_name, "", "", app, way)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing was connected; ``number`` is the provider's own, ``ask_admin`` offers an administrator's consent.

    ``incident`` is what the log has a mistake of ours under.
    """

    headline: str
    meaning: str
    next_step: str
    number: str = ""
    ask_admin: bool = False
    incident: str = ""


@dataclass(frozen=True, slots=True)
class ConnectView:
    """The page of a provider. ``configured``: the platform has an app of its own, so that a person can consent."""

    offer: Offer
    configured: bool
    way: Way
    permissions: tuple[tuple[Way, Permission], ...]
    account: Account | None
    sender: str
    attention: bool
    waiting: Account | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class AppView:
    """The form for an app of the organisation's own; nothing secret is ever put back into it."""

    offer: Offer
    way: Field
    mailbox: Field
    tenant: Field
    client_id: Field
    secret: Field
    certificate: Field
    key: Field
    permission: Mapping[Way, str]
    in_use: bool
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class SenderView:
    """The form for the sender of a connected account.

    ``again`` is the case of the same account connected anew, ``candidate`` that of one that is not in use yet.
    """

    offer: Offer
    account: Account
    grant: str
    candidate: bool
    again: bool
    sender_address: Field
    sender_alias: Field
    version: int
    problems: tuple[Problem, ...] = ()
    conflict: Notice | None = None


@dataclass(frozen=True, slots=True)
class OtherAccountView:
    """Another account came back than the one in use: both, and what is to become of them."""

    offer: Offer
    old: Account
    new: Account
    sender: str


_INCIDENT: Final = re.compile(r"[0-9a-f]{1,32}")
_AGAIN: Final = N_("Connect again on this page.")
_REFUSALS: Final[Mapping[str, tuple[str, str, str]]] = {
    "declined": (
        N_("Nothing was connected"),
        N_("The sign-in at {company} was left without agreeing."),
        N_("If that was not intended, connect again and agree."),
    ),
    "scope_missing": (
        N_("Nothing was connected: the permission to send mail is missing"),
        N_("At {company}, the permission to send mail was unticked or not given. Without it no mail can leave."),
        N_("Connect again and leave every box ticked: no more is asked for than this page says."),
    ),
    "expired": (
        N_("The connection was not finished in time"),
        N_("A sign-in at {company} counts once, and for ten minutes. This one was too old, or was used already."),
        _AGAIN,
    ),
    INVALID: (
        N_("Nothing was connected"),
        N_("What came back from {company} does not belong to a connection that was begun here, in this sign-in."),
        N_("Begin again on this page, and stay in the same browser."),
    ),
    "unavailable": (
        N_("Nothing was connected"),
        N_("{company} could not be reached or did not answer properly."),
        N_("Try again in a few minutes. If it stays so, tell the platform’s support."),
    ),
    "platform": (
        N_("Nothing was connected"),
        N_("{company} does not accept the platform’s own app. You did nothing wrong."),
        N_("Tell the platform’s operator; until it is mended, no account can be connected here."),
    ),
    NOT_ALLOWED: (
        N_("Nothing was connected"),
        N_("You may look at these settings, but not connect an account at {company}."),
        N_("Ask an administrator of your organisation to do it."),
    ),
    TOO_MANY: (
        N_("The connection was not finished"),
        N_("There were too many requests in a short time, so what came back from {company} was not looked at."),
        N_("Wait a minute, then connect again."),
    ),
    INTERRUPTED: (
        N_("The connection was not finished"),
        N_("Something went wrong here when {company} sent you back. You did nothing wrong."),
        N_("Connect again in a moment. If it happens again, tell the platform’s operator."),
    ),
    "not_agreed": (
        N_("No administrator’s agreement came back"),
        N_("The page of {company} was left without agreeing, or whoever signed in there may not agree for everybody."),
        N_("Ask an administrator of Microsoft Entra to press the button and to agree."),
    ),
}
_ADVISED: Final[Mapping[str, tuple[str, Code]]] = {
    "admin_consent_needed": (N_("An administrator must agree first"), Code.ADMIN_CONSENT_NEEDED),
    "access_policy": (N_("A policy does not allow the connection"), Code.ACCESS_POLICY),
}
REFUSALS: Final = frozenset({*_REFUSALS, *_ADVISED})
"""What an address may ask the page to say (``?refused=…``): a closed set."""


def refusal_of(code: str, offer: Offer, number: str = "", incident: str = "") -> Refusal | None:
    """The advice on a code; ``None`` for one that there is not."""
    noted = incident if _INCIDENT.fullmatch(incident) else ""
    shown = number if number.isascii() and number.isdigit() and len(number) <= 10 else ""
    if code in _ADVISED:
        headline, advised = _ADVISED[code]
        advice = advise(advised, kind=offer.kind)
        ask_admin = code == "admin_consent_needed" and bool(offer.admin_callback)
        return Refusal(headline, advice.meaning, advice.next_step, shown, ask_admin)
    if code not in _REFUSALS:
        return None
    headline, meaning, next_step = _REFUSALS[code]
    # The tables' texts are marked where they stand.
    filled = Sentence(meaning.format(company=offer.company), meaning, {"company": offer.company})
    ask_admin = code == "not_agreed" and bool(offer.admin_callback)
    return Refusal(headline, filled, next_step, shown, ask_admin, noted)
