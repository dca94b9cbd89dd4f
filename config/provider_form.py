"""What an administrator enters once an account is connected: the sender, checked field by field. No store.

Whether the account may send in that name is for a test mail to show: providers rewrite a sender they do not know.
"""

from dataclasses import dataclass, replace

from config import addresses
from config.errors import InvalidSettings
from config.form_fields import FormFields
from config.smtp_form import MISSING, bad_text, of_its_own_domain


@dataclass(frozen=True, slots=True)
class ProviderForm:
    """The sender of mail that leaves by a connected account; ``grant_id`` says which, a candidate or the one in use."""

    sender_address: str
    sender_alias: str
    grant_id: str


def checked(form: ProviderForm, account: str) -> ProviderForm:
    """The form in the shape it is kept in: blanks trimmed.

    An address of a provider for private people is one's own only for an ``account`` (its address) of that provider.

    Raises:
        InvalidSettings: with every problem at once; no value is repeated.
    """
    fields = FormFields(form, MISSING)

    def own(sender: str) -> str:
        return sender if _domain(sender) == _domain(account) else of_its_own_domain(sender)

    clean = replace(
        form,
        sender_address=fields.read("sender_address", addresses.sender_address, own),
        sender_alias=fields.read("sender_alias", addresses.sender_alias),
    )
    if fields.problems:
        raise InvalidSettings(fields.problems)
    return clean


def unfinished(form: ProviderForm) -> ProviderForm:
    """A form as it may be kept for later, right or wrong: blanks trimmed.

    Raises:
        InvalidSettings: a text is longer than any that is right, or has control characters or invisible ones.
    """
    clean = replace(form, sender_address=form.sender_address.strip(), sender_alias=form.sender_alias.strip())
    problems = [
        (name, problem) for name in ("sender_address", "sender_alias") if (problem := bad_text(getattr(clean, name)))
    ]
    if problems:
        raise InvalidSettings(problems)
    return clean


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
