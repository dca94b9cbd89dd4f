"""What an administrator may enter for an app of the organisation's own, checked field by field. No store, no client.

Whether the provider takes it is for a test to say. Keys are looked at as far as costs nothing
(:mod:`config.key_pair`). Every sentence is the second half of one that begins with the
field's name. Nothing that was entered is repeated.
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from config import addresses, key_pair
from config.errors import InvalidSettings
from config.form_fields import FormFields
from config.languages import N_
from config.oauth.values import AppCredentials, Identity, Provider
from config.secrets import Secret

LONGEST_SECRET: Final = 1000
LONGEST_FILE: Final = key_pair.LONGEST
"""The most characters of a certificate with its key, or of a service account's key, which has no chain."""
CHECK_SECONDS: Final = 5.0
"""How long what was entered is looked at, in a thread of its own."""

_GUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NOT_ONE_TENANT: Final = frozenset({"common", "organizations", "consumers"})
_MISSING: Final = {
    "tenant": N_("must be given: the directory (tenant) ID of the app registration"),
    "client_id": N_("must be given: the application (client) ID of the app registration"),
    "mailbox": N_("must be given: the address of the mailbox that mail is sent from"),
    "secret": N_("must be given, or a certificate instead"),
    "key": N_("must be given: the whole JSON file of the service account’s key"),
}
_GUID_NEEDED: Final = N_("must be an ID of 32 letters and digits with four dashes, as the Entra admin center shows it")
_TENANT_NEEDED: Final = N_("must be the ID of one directory, or a domain of it such as example.onmicrosoft.com")
_ONE_OF_BOTH: Final = N_("must be left empty when a certificate is given")
_TEXT: Final = N_("must not have control characters or more than 1000 characters")
_NOT_THE_SECRET: Final = N_("is the secret’s ID, not its value: the value is shown once, right after it was made")
_PEM: Final = N_(
    "must have an RSA private key of 2048 to 4096 bits that is not encrypted and its certificate, both in PEM form, one"
    " after the other"
)
_JSON: Final = N_("must be the whole JSON file that Google Cloud made for the key of a service account")
_TOO_SLOW: Final = N_("could not be looked at in time: enter it again, or make another one")


@dataclass(frozen=True, slots=True)
class AppForm:
    """An app as it was entered: of Microsoft a secret or a certificate with its key, of Google the key file."""

    mailbox: str
    tenant: str = ""
    client_id: str = ""
    secret: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)


_SUBJECT: Final = "app"
Check = Callable[[Provider, AppForm], AppCredentials]


def identity_of(credentials: AppCredentials) -> Identity:
    """The account that such an app sends for: its mailbox, by this app."""
    subject = f"{_SUBJECT}:{credentials.client_id}:{credentials.mailbox.lower()}"
    return Identity(subject, credentials.tenant, credentials.mailbox)


def client_id_of(identity: Identity) -> str:
    """The client id of the app that such an account is sent for by; empty for a person's."""
    kind, _, rest = identity.subject.partition(":")
    return rest.partition(":")[0] if kind == _SUBJECT else ""


async def checked_in_time(
    provider: Provider, form: AppForm, *, check: Check | None = None, seconds: float = CHECK_SECONDS
) -> AppCredentials:
    """The same as :func:`checked`, beside the event loop and within so many seconds.

    Raises:
        InvalidSettings: with every problem at once, or when the time was over.
    """
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.to_thread(check or checked, provider, form)
    except TimeoutError:
        name = "key" if provider is Provider.GOOGLE else "certificate"
        raise InvalidSettings([(name, _TOO_SLOW)]) from None


def checked(provider: Provider, form: AppForm) -> AppCredentials:
    """What was entered, as it is kept.

    Raises:
        InvalidSettings: with every problem at once.
    """
    fields = FormFields(form, _MISSING)
    read, problems = fields.read, fields.problems
    mailbox = read("mailbox", addresses.sender_address)
    if provider is Provider.MICROSOFT:
        credentials = AppCredentials(
            client_id=read("client_id", _guid).lower(),
            tenant=read("tenant", _tenant).lower(),
            mailbox=mailbox,
            secret=Secret(read("certificate", _pem) if form.certificate.strip() else read("secret", _secret)),
            certificate=bool(form.certificate.strip()),
        )
        if form.certificate.strip() and form.secret.strip():
            problems.append(("secret", _ONE_OF_BOTH))
    else:
        key = read("key", _service_account)
        known = json.loads(key) if key and not any(name == "key" for name, _ in problems) else {}
        credentials = AppCredentials(known.get("client_id", ""), known.get("project_id", ""), mailbox, Secret(key))
    if problems:
        raise InvalidSettings(problems)
    return credentials


def _guid(text: str) -> str:
    if not _GUID.fullmatch(text):
        raise ValueError(_GUID_NEEDED)
    return text


def _tenant(text: str) -> str:
    if _GUID.fullmatch(text):
        return text
    try:
        domain = addresses.host_name(text)
    except ValueError:
        raise ValueError(_TENANT_NEEDED) from None
    if "." not in domain or domain.lower() in _NOT_ONE_TENANT:
        raise ValueError(_TENANT_NEEDED)
    return domain


def _secret(text: str) -> str:
    if len(text) > LONGEST_SECRET or addresses.has_control_characters(text):
        raise ValueError(_TEXT)
    if _GUID.fullmatch(text):
        raise ValueError(_NOT_THE_SECRET)
    return text


def _pem(text: str) -> str:
    if len(text) > LONGEST_FILE:
        raise ValueError(_PEM)
    try:
        key_pair.check_text(text.encode("ascii"))
    except ValueError:
        raise ValueError(_PEM) from None
    return text


def _service_account(text: str) -> str:
    try:
        known = json.loads(text) if len(text) <= LONGEST_FILE else None
    except (ValueError, RecursionError):
        known = None
    names = ("client_id", "project_id", "client_email", "private_key")
    if not isinstance(known, dict) or known.get("type") != "service_account":
        raise ValueError(_JSON)
    if not all(isinstance(known.get(name), str) and known[name] for name in names):
        raise ValueError(_JSON)
    try:
        key_pair.rsa_key(known["private_key"].encode("ascii"))
    except ValueError:
        raise ValueError(_JSON) from None
    return text
