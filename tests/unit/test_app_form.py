"""What may be entered for an app of one's own: what is right is kept, what is wrong is told by its field."""

import asyncio
import json
import threading
import time
from functools import lru_cache
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InvalidSettings
from config.oauth.app_form import AppForm, checked, checked_in_time, identity_of
from config.oauth.values import AppCredentials, Provider
from tests.unit.test_key_pair import mersenne

CLIENT = "0F8FAD5B-D9CB-469F-A165-70867728950E"
MAILBOX = "notifications@contoso.example"


@lru_cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@lru_cache
def pair(kind: str = "RSA") -> str:
    leaf = trustme.CA(key_type=trustme.KeyType[kind]).issue_cert("app.example", key_type=trustme.KeyType[kind])
    return leaf.private_key_and_cert_chain_pem.bytes().decode()


def microsoft(**changes: str) -> AppForm:
    fields = {"mailbox": MAILBOX, "tenant": "Contoso.Example", "client_id": CLIENT, "secret": "a~secret"}
    return AppForm(**{**fields, **changes})


def service_account(**changes: Any) -> str:
    key = {
        "type": "service_account",
        "project_id": "customer",
        "client_id": "1234567890",
        "client_email": "mailer@customer.iam.example",
        "private_key": private_key(),
    }
    return json.dumps({name: value for name, value in {**key, **changes}.items() if value is not None})


def problems(provider: Provider, form: AppForm) -> dict[str, str]:
    with pytest.raises(InvalidSettings) as refused:
        checked(provider, form)
    return dict(refused.value.problems)


def test_a_secret_of_an_app_registration() -> None:
    kept = checked(Provider.MICROSOFT, microsoft(tenant=f" {CLIENT} ", secret=" a~secret "))
    assert (kept.client_id, kept.tenant, kept.mailbox) == (CLIENT.lower(), CLIENT.lower(), MAILBOX)
    assert (kept.secret.reveal(), kept.certificate) == ("a~secret", False)
    assert checked(Provider.MICROSOFT, microsoft()).tenant == "contoso.example"
    assert "a~secret" not in repr((kept, microsoft()))


def test_a_certificate_instead_of_the_secret() -> None:
    kept = checked(Provider.MICROSOFT, microsoft(secret="", certificate=f"\n{pair()}\n"))
    assert kept.certificate
    assert kept.secret.reveal() == pair().strip()
    assert set(problems(Provider.MICROSOFT, microsoft(certificate=pair()))) == {"secret"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mailbox", "nobody"),
        ("tenant", "common"),
        ("tenant", "organizations"),
        ("tenant", "contoso"),
        ("tenant", "https://login.example/contoso"),
        ("client_id", "my-app"),
        ("secret", CLIENT),
        ("secret", "a\nb"),
        ("secret", "x" * 1001),
    ],
)
def test_what_is_none_of_it_is_told_beside_its_field(field: str, value: str) -> None:
    found = problems(Provider.MICROSOFT, microsoft(**{field: value}))
    assert set(found) == {field}
    assert value not in found[field]


@pytest.mark.parametrize("text", ["x", "a key", "ü", "x" * 30_000])
def test_what_is_no_pair_of_key_and_certificate_is_refused(text: str) -> None:
    assert set(problems(Provider.MICROSOFT, microsoft(secret="", certificate=text))) == {"certificate"}
    assert set(problems(Provider.MICROSOFT, microsoft(secret="", certificate=pair("ECDSA")))) == {"certificate"}


def test_everything_that_is_missing_is_told_at_once() -> None:
    empty = AppForm("")
    assert set(problems(Provider.MICROSOFT, empty)) == {"mailbox", "tenant", "client_id", "secret"}
    assert set(problems(Provider.GOOGLE, empty)) == {"mailbox", "key"}


def test_the_key_file_of_a_service_account() -> None:
    kept = checked(Provider.GOOGLE, AppForm(MAILBOX, key=f" {service_account()}\n"))
    assert (kept.client_id, kept.tenant, kept.mailbox) == ("1234567890", "customer", MAILBOX)
    assert kept.secret.reveal() == service_account()


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "null",
        "{",
        "[" * 10_000,
        service_account(type="authorized_user"),
        service_account(client_email=None),
        service_account(private_key="-----BEGIN PRIVATE KEY-----\nx"),
        service_account(private_key=pair("ECDSA")),
        service_account(private_key="ü"),
        service_account(client_id=7),
        service_account(padding="x" * 30_000),
    ],
)
def test_what_is_no_key_file_is_refused(text: str) -> None:
    assert set(problems(Provider.GOOGLE, AppForm(MAILBOX, key=text))) == {"key"}


def test_a_key_of_16384_bits_is_refused_at_once() -> None:
    """Whoever may fill in the form must not hold up the process: validated, such a key takes minutes."""
    huge = mersenne(4423, 11213).decode()
    began = time.process_time()
    assert set(problems(Provider.GOOGLE, AppForm(MAILBOX, key=service_account(private_key=huge)))) == {"key"}
    certificate = pair()[pair().index("-----BEGIN CERTIFICATE") :]
    assert set(problems(Provider.MICROSOFT, microsoft(secret="", certificate=huge + certificate))) == {"certificate"}
    assert time.process_time() - began < 0.2


async def test_keys_are_looked_at_beside_the_event_loop_and_not_for_ever() -> None:
    gone_on, form = threading.Event(), microsoft()

    def slow(provider: Provider, form: AppForm) -> AppCredentials:
        assert gone_on.wait(20)
        return checked(provider, form)

    looking = asyncio.create_task(checked_in_time(Provider.MICROSOFT, form, check=slow))
    with pytest.raises(InvalidSettings) as refused:
        await checked_in_time(Provider.GOOGLE, form, check=slow, seconds=0)
    assert [name for name, _ in refused.value.problems] == ["key"]
    gone_on.set()
    assert await looking == checked(Provider.MICROSOFT, form)


def test_another_mailbox_or_app_is_another_account() -> None:
    first, other, app = (
        identity_of(checked(Provider.MICROSOFT, form))
        for form in (
            microsoft(),
            microsoft(mailbox="hr@contoso.example"),
            microsoft(client_id=CLIENT.replace("0", "1")),
        )
    )
    again = identity_of(checked(Provider.MICROSOFT, microsoft(mailbox=MAILBOX.upper(), secret="another~secret")))
    assert first.same_account(again)
    assert not first.same_account(other)
    assert not first.same_account(app)


@given(st.text(max_size=200), st.sampled_from(Provider))
def test_no_text_breaks_it(text: str, provider: Provider) -> None:
    assert problems(provider, AppForm(text, text, text, text, text, text))
