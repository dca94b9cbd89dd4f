"""RFC 9207: what comes back must be from where the consent was asked for, if it says whom it is from."""

import asyncio
import json
import ssl

import pytest

from config.oauth import issuers
from config.oauth.google import GoogleClient, GoogleProvider
from config.oauth.microsoft import MicrosoftProvider
from config.oauth.microsoft_app import EntraApp
from config.oauth.provider import ConsentRefused, OAuthProvider
from config.oauth.values import Way
from config.secrets import Secret

AUTH = "https://accounts.google.com/o/oauth2/v2/auth"
AUTHORITY = "https://login.microsoftonline.com/organizations"
TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_the_providers_own_names_and_none_are_fine() -> None:
    for query in ({}, {"iss": "https://accounts.google.com"}):
        issuers.google(query, AUTH)
    issuers.google({"iss": "https://localhost:4430"}, "https://localhost:4430/o/oauth2/v2/auth")
    for query in (
        {},
        {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"},
        {"iss": "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0/"},
    ):
        issuers.microsoft(query, AUTHORITY)
    issuers.microsoft({"iss": f"https://localhost:4431/{TENANT}/v2.0"}, "https://localhost:4431/organizations")


@pytest.mark.parametrize(
    "iss",
    [
        "",
        "accounts.google.com",
        "https://accounts.google.com.evil.example",
        "https://evil.example",
        f"https://login.microsoftonline.com.evil.example/{TENANT}/v2.0",
        f"https://login.microsoftonline.com@evil.example/{TENANT}/v2.0",
        f"http://login.microsoftonline.com/{TENANT}/v2.0",
        "https://login.microsoftonline.com",
        f"https://login.microsoftonline.com/{TENANT}/v2.0/../evil",
        f"https://evil.example/?https://login.microsoftonline.com/{TENANT}/v2.0",
    ],
)
def test_anybody_else_is_refused(iss: str) -> None:
    for compare, url in ((issuers.google, AUTH), (issuers.microsoft, AUTHORITY)):
        with pytest.raises(ConsentRefused) as refused:
            compare({"iss": iss}, url)
        assert refused.value.code == "invalid"


async def test_each_client_compares_before_it_redeems_or_believes_an_error() -> None:
    """There is no network: a code that was redeemed would be refused otherwise."""
    tls, state = ssl.create_default_context(), "a-state"
    google = GoogleProvider(GoogleClient("client", Secret("secret")), tls=tls)
    microsoft = MicrosoftProvider(
        EntraApp("client", Secret("secret")), authority=AUTHORITY, graph_url="https://graph.microsoft.com", tls=tls
    )
    kept: dict[OAuthProvider, dict[str, object]] = {
        google: {"way": "api", "state": state, "redirect_uri": "https://x.example", "code_verifier": "v", "nonce": "n"},
        microsoft: {"way": "api", "flow": {"state": state}},
    }
    for client, flow in kept.items():
        for more in ({"code": "a-code"}, {"error": "access_denied"}):
            query = {"state": state, "iss": "https://evil.example", **more}
            with pytest.raises(ConsentRefused) as refused:
                await client.finish(Way.API, Secret(json.dumps(flow)), query)
            assert (refused.value.code, refused.value.detail) == ("invalid", "iss")
    await asyncio.gather(google.aclose(), microsoft.aclose())
