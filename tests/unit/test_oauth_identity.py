"""Who consented: claims of ID tokens, good and forged, and the least of permissions."""

import base64
import json
from typing import Any

import pytest

from config.oauth import google_identity, microsoft_identity, scopes
from config.oauth.provider import ConsentRefused
from config.oauth.values import Identity, Way

NOW = 1_795_262_400.0
TENANT = "0637e301-e05d-505b-8267-486f5677de9b"
ENTRA = {
    "aud": "our-app",
    "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
    "exp": NOW + 3600,
    "oid": "2198353e",
    "tid": TENANT,
    "preferred_username": "anna@acme.example",
    "name": "Anna",
}
GOOGLE = {
    "aud": "our-client",
    "iss": "https://accounts.google.com",
    "exp": NOW + 3600,
    "nonce": "n-1",
    "sub": "593633",
    "email": "anna@acme.example",
    "email_verified": True,
    "hd": "acme.example",
}


def of_entra(**changes: Any) -> Identity:
    return microsoft_identity.identity(
        {**ENTRA, **changes},
        client_id="our-app",
        issuer="https://login.microsoftonline.com/{tenantid}/v2.0",
        now=NOW,
    )


def of_google(**changes: Any) -> Identity:
    claims = base64.urlsafe_b64encode(json.dumps({**GOOGLE, **changes}).encode()).rstrip(b"=").decode()
    return google_identity.identity(
        f"e30.{claims}.c2ln",
        client_id="our-client",
        nonce="n-1",
        auth_url="https://localhost:9999/o/oauth2/v2/auth",
        now=NOW,
    )


def test_an_account_of_microsoft() -> None:
    assert of_entra() == Identity("2198353e", TENANT, "anna@acme.example", "Anna", mailbox_known=False)
    told = Identity("2198353e", TENANT, "a.smith@acme.example", "Anna")
    assert of_entra(email="a.smith@acme.example") == told
    assert not of_entra(email="").mailbox_known
    assert of_entra(preferred_username="anna", upn="anna@acme.example").email == "anna@acme.example"
    assert of_entra(preferred_username=None).email == ""
    assert of_entra(name="Anna\nBcc: x").name == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"oid": ""},
        {"oid": 7},
        {"tid": None},
        {"aud": "another-app"},
        {"aud": ["our-app"]},
        {"exp": NOW - 3600},
        {"exp": None},
        {"iss": "https://login.microsoftonline.com/another/v2.0"},
        {"iss": "https://evil.example/v2.0"},
        {"tid": "another"},
    ],
)
def test_an_identity_of_microsoft_that_is_not_for_us(changes: dict[str, Any]) -> None:
    with pytest.raises(ConsentRefused) as caught:
        of_entra(**changes)
    assert caught.value.code == "invalid"


def test_an_account_of_google() -> None:
    assert of_google() == Identity("593633", "acme.example", "anna@acme.example")
    assert of_google(hd=None).tenant == ""
    assert of_google(iss="accounts.google.com").subject == "593633"
    assert of_google(iss="https://localhost:9999").subject == "593633"
    assert of_google(exp=NOW - 60).subject == "593633"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://accounts.google.com.evil.example"},
        {"iss": "https://localhost"},
        {"aud": "another-client"},
        {"exp": NOW - 3600},
        {"exp": "tomorrow"},
        {"nonce": "n-2"},
        {"nonce": None},
        {"sub": ""},
        {"email": ""},
        {"email_verified": False},
        {"email_verified": None},
    ],
)
def test_an_identity_of_google_that_is_not_for_us(changes: dict[str, Any]) -> None:
    with pytest.raises(ConsentRefused) as caught:
        of_google(**changes)
    assert caught.value.code == "invalid"


@pytest.mark.parametrize("token", [None, 7, "", "a.b", "a.!!!.c", "a.bm90anNvbg.c", "a.W10.c", "a.w7_Dvw.c"])
def test_what_is_no_id_token(token: object) -> None:
    with pytest.raises(ConsentRefused):
        google_identity.identity(token, client_id="our-client", nonce="n-1", auth_url="https://x", now=NOW)


def test_no_more_is_asked_for_than_sending_needs() -> None:
    graph = "https://graph.microsoft.com"
    assert scopes.google_asked(Way.API) == ("openid", "email", "https://www.googleapis.com/auth/gmail.send")
    assert scopes.google_asked(Way.SMTP) == ("openid", "email", "https://mail.google.com/")
    assert scopes.microsoft_asked(Way.API, graph) == ("https://graph.microsoft.com/Mail.Send",)
    assert scopes.microsoft_asked(Way.SMTP, graph) == ("https://outlook.office.com/SMTP.Send",)
    assert len(scopes.microsoft_asked(Way.API, graph, large_mails=True)) == 2


def test_other_clouds_have_other_audiences() -> None:
    assert scopes.microsoft_asked(Way.API, "https://graph.microsoft.us") == ("https://graph.microsoft.us/Mail.Send",)
    assert scopes.microsoft_asked(Way.API, "https://localhost:1234") == ("https://graph.microsoft.com/Mail.Send",)
    assert scopes.microsoft_app(Way.SMTP, "https://graph.microsoft.com") == "https://outlook.office365.com/.default"
    assert scopes.microsoft_app(Way.API, "https://microsoftgraph.chinacloudapi.cn") == (
        "https://microsoftgraph.chinacloudapi.cn/.default"
    )


def test_granted_scopes_come_in_either_form() -> None:
    granted = scopes.short(["openid", "https://graph.microsoft.com/Mail.Send", "profile"])
    assert granted == {"openid", "Mail.Send", "profile"}
    assert scopes.has(granted, "mail.send")
    assert not scopes.has(granted, "SMTP.Send")
