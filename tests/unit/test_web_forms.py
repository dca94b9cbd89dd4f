"""Form bytes into settings: whatever is sent, a form comes out whose mistakes the settings' own check finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InvalidSettings
from config.smtp_form import checked
from config.testing import smtp_form as complete_form
from config.web import forms
from transports.smtp.settings import Security

GOOD = (
    b"host=mail.acme.example&port=587&security=starttls&username=acme&password=correct+horse"
    b"&sender_address=notifications%40acme.example&sender_alias=Acm%C3%A9&version=7"
)
PORTS = (25, 465, 587)


def test_a_complete_form() -> None:
    fields = forms.entered(GOOD)
    form = forms.smtp_form(fields)
    assert form.password is not None
    assert form.password.reveal() == "correct horse"
    assert (form.host, form.port, form.security) == ("mail.acme.example", 587, Security.STARTTLS)
    assert form.sender_alias == "Acmé"
    assert forms.version(fields) == 7


@pytest.mark.parametrize("port", ["", "x", "-1", "587.0", "99999999", "٥٨٧", "0x24b", "²"])
def test_a_port_that_is_none_is_refused_like_a_wrong_one(port: str) -> None:
    form = forms.smtp_form({**forms.entered(GOOD), "port": port})
    with pytest.raises(InvalidSettings) as refused:
        checked(form, ports=PORTS)
    assert [name for name, _ in refused.value.problems] == ["port"]


@pytest.mark.parametrize("security", ["", "none", "ssl", "STARTTLS"])
def test_encryption_cannot_be_left_out(security: str) -> None:
    form = forms.smtp_form({**forms.entered(GOOD), "security": security})
    with pytest.raises(InvalidSettings) as refused:
        checked(form, ports=PORTS)
    assert [name for name, _ in refused.value.problems] == ["security"]


def test_a_blank_password_means_unchanged() -> None:
    assert forms.smtp_form({**forms.entered(GOOD), "password": ""}).password is None


@pytest.mark.parametrize("text", ["", "x", "-1", "9" * 30, "1e3", "٣"])
def test_a_version_that_is_none_counts_as_none(text: str) -> None:
    """So it never passes for a version that exists."""
    assert forms.version({"version": text}) == 0


def test_the_fields_of_a_form_give_it_back_without_its_password() -> None:
    form = complete_form(password=None)
    assert forms.smtp_form(forms.form_fields(form)) == form
    assert "password" not in forms.form_fields(complete_form())


@given(st.binary(max_size=400))
def test_no_bytes_break_it(body: bytes) -> None:
    try:
        fields = forms.entered(body)
    except ValueError:
        return
    forms.smtp_form(fields)
    forms.version(fields)


def test_more_fields_than_any_form_has_are_refused() -> None:
    with pytest.raises(ValueError, match="fields"):
        forms.entered(b"&".join(b"a=b" for _ in range(100)))
