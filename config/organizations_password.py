"""Which password new settings have: the one given, or with a blank the stored one, but never for another account.

A stored password only goes where it already went, to the same host for the same user name, so that nobody who may
change settings can have it sent elsewhere.
"""

from collections.abc import Mapping
from typing import Any

from config.errors import InvalidSettings, SecretUnreadable
from config.languages import N_
from config.organizations_rows import DRAFT_PASSWORD, SMTP_PASSWORD
from config.secrets import Secret, SecretBox
from config.smtp_form import SmtpForm

Row = Mapping[str, Any]


def same_account(row: Row, form: SmtpForm) -> bool:
    """Whether a row has a password that is for the form's host and user name."""
    return row["password_sealed"] is not None and (row["host"], row["username"]) == (form.host, form.username)


def opened(organization: str, form: SmtpForm, draft: Row | None, active: Row | None, box: SecretBox) -> Secret:
    """The stored password that a form with a user name and a blank one means: the draft's, else the one in use.

    Raises:
        InvalidSettings: there is none, or it belongs to another account.
        SecretUnreadable: it cannot be opened.
    """
    if draft is not None and same_account(draft, form):
        return Secret(box.open(draft["password_sealed"], organization, DRAFT_PASSWORD))
    return Secret(box.open(_stored(form, active), organization, SMTP_PASSWORD))


def sealed(organization: str, form: SmtpForm, before: Row | None, box: SecretBox) -> tuple[str | None, bool]:
    """The password as it is to be stored, and whether it is another one than before.

    Raises:
        InvalidSettings: it is blank and there is none to keep.
        ConfigurationError: there is one and no key to seal it with.
    """
    old = before["password_sealed"] if before is not None else None
    if form.username is None:
        return None, old is not None
    if form.password is None:
        return _stored(form, before), False
    return box.seal(form.password.reveal(), organization, SMTP_PASSWORD), not _is(old, organization, form, box)


def _stored(form: SmtpForm, before: Row | None) -> str:
    if before is None or before["password_sealed"] is None:
        raise InvalidSettings([("password", N_("must be given with a user name"))])
    if not same_account(before, form):
        raise InvalidSettings([("password", N_("must be given again for another host or user name"))])
    return str(before["password_sealed"])


def _is(old: str | None, organization: str, form: SmtpForm, box: SecretBox) -> bool:
    try:
        return old is not None and Secret(box.open(old, organization, SMTP_PASSWORD)) == form.password
    except SecretUnreadable:
        return False
