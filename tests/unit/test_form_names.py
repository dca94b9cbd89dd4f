"""Names typed into forms: what nobody can see in them is refused in every form, what a script is spelt with is not."""

import pytest

from config import addresses, provider_form, smtp_form
from config.errors import InvalidSettings
from config.provider_form import ProviderForm
from config.secrets import Secret
from config.smtp_form import SmtpForm
from config.testing import smtp_form as complete_form

PORTS = (587,)
SEEN_AS_ANOTHER = [
    *("Ac\u200bme", "Acme\u200b", "\u202eemcA", "Ac\u00adme", "Acme\u2060", "\ufeffAcme", "\u2066Acme", "A\U000e0041e"),
    # Joiners where no script needs them: between Latin letters, at an end, beside a Latin letter, twice.
    *("Pay\u200cpal", "Pay\u200dpal", "\u200dAcme", "Acme\u200c", "\u06cc\u200cA", "A\u200c\u06cc", "\u06cc\u200c"),
    *("\u06cc\u200c\u200c\u062e", "\u200c", "\u3164", "Acme\u2800", "a\u034fb"),
]
SPELT_WITH_JOINERS = [
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian
    "\u0915\u094d\u200d\u0937",  # Devanagari, a half letter
    "\u0d28\u0d4d\u200d Acme",  # Malayalam, at the end of a word
    "\u09b0\u200d\u09cd\u09af",  # Bengali
    *("Acmé & Søn", "\u682a\u5f0f\u4f1a\u793e", "Acme \u263a\ufe0f", "\u06dd\u0661"),
]


def of_server(text: str) -> SmtpForm:
    """A form whose names are this."""
    return complete_form(sender_alias=text, username=text)


def of_account(text: str) -> ProviderForm:
    """A form whose name is this."""
    return ProviderForm("notifications@acme.example", text, "a-grant")


def refusals(text: str) -> list[dict[str, str]]:
    """What each form says of it, as it is tested and as a draft is kept; by field."""
    found = []
    for check in (
        lambda: smtp_form.checked(of_server(text), ports=PORTS),
        lambda: smtp_form.unfinished(of_server(text)),
        lambda: provider_form.checked(of_account(text), "ada@acme.example"),
        lambda: provider_form.unfinished(of_account(text)),
    ):
        try:
            check()
        except InvalidSettings as error:
            found.append(dict(error.problems))
        else:
            found.append({})
    return found


@pytest.mark.parametrize("text", SEEN_AS_ANOTHER, ids=ascii)
def test_a_name_with_characters_that_nobody_sees_is_refused_and_it_is_said_why(text: str) -> None:
    both, one = dict.fromkeys(("sender_alias", "username"), addresses.INVISIBLE), {"sender_alias": addresses.INVISIBLE}
    assert refusals(text) == [both, both, one, one]


@pytest.mark.parametrize("text", SPELT_WITH_JOINERS, ids=ascii)
def test_what_a_script_is_spelt_with_is_taken(text: str) -> None:
    assert refusals(text) == [{}, {}, {}, {}]
    assert addresses.sender_alias(text) == text


@pytest.mark.parametrize("text", ["note\u200bs@acme.example", "notes@ac\u200bme.example", "notes@acme.example\u2060"])
def test_an_address_has_none_either(text: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        smtp_form.checked(complete_form(sender_address=text), ports=PORTS)
    assert refused.value.problems == (("sender_address", addresses.INVISIBLE),)
    with pytest.raises(InvalidSettings) as refused:
        provider_form.checked(ProviderForm(text, "Acme", "a-grant"), "ada@acme.example")
    assert refused.value.problems == (("sender_address", addresses.INVISIBLE),)


def test_a_password_may_have_them() -> None:
    """It is for the server to judge; only what ends a line is none."""
    form = smtp_form.checked(complete_form(password=Secret("a\u200bb")), ports=PORTS)
    assert form.password == Secret("a\u200bb")
    with pytest.raises(InvalidSettings) as refused:
        smtp_form.checked(complete_form(password=Secret("a\nb")), ports=PORTS)
    assert refused.value.problems == (("password", smtp_form.UNFIT_TEXT),)
