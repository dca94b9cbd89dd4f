"""From the platform's token to a session: what is taken, once, and that every refusal looks the same."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from config import platform_key
from config.web.cookies import NAME
from config.web.handover import LEEWAY, LONGEST_TOKEN, Handover, HandoverRefused
from tests.settings_site import PLATFORM_KEY, URL, settings_site

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
async def site(tmp_path):
    async with settings_site(tmp_path) as opened:
        yield opened


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def by_hand(header, claims, key=PLATFORM_KEY):
    """A token signed with HMAC over whatever header, which no library would make."""
    signed = f"{encoded(header)}.{encoded(claims)}"
    signature = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def unsigned(claims, algorithm="none"):
    return f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(claims)}."


def cookie_of(answer):
    found = re.match(rf"{NAME}=([^;]*)", answer.headers["set-cookie"])
    assert found
    return found[1]


async def arrive(site, token, **headers):
    return await site.client.get("/handover", params={"token": token}, headers=headers)


async def test_a_token_becomes_a_session_and_the_settings_are_next(site):
    answer = await arrive(site, site.handover(locale="fr"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings")
    session = await site.services.sessions.get(cookie_of(answer))
    assert (session.organization, session.role, session.email) == ("acme", "admin", "ada@acme.example")
    assert (session.name, session.language) == ("Ada Lovelace", "fr")


async def test_the_cookie_is_for_this_host_alone_and_for_no_script(site):
    name_and_value, *attributes = (await arrive(site, site.handover())).headers["set-cookie"].split("; ")
    assert re.fullmatch(r"__Host-mailroom=[A-Za-z0-9_-]{43}", name_and_value)
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]


async def test_a_form_of_the_platform_does_the_same_without_an_address_that_holds_the_token(site):
    headers = {**FORM, "Origin": "https://platform.example", "Sec-Fetch-Site": "cross-site"}
    answer = await site.client.post("/handover", content=urlencode({"token": site.handover()}), headers=headers)
    assert answer.status_code == 303
    assert await site.services.sessions.get(cookie_of(answer))


async def test_the_session_that_the_browser_had_is_closed(site):
    earlier = cookie_of(await arrive(site, site.handover("acme")))
    later = cookie_of(await arrive(site, site.handover("other"), Cookie=f"{NAME}={earlier}"))
    assert await site.services.sessions.get(earlier) is None
    assert (await site.services.sessions.get(later)).organization == "other"


async def test_a_refused_token_leaves_the_session_alone(site):
    earlier = cookie_of(await arrive(site, site.handover()))
    assert (await arrive(site, "nonsense", Cookie=f"{NAME}={earlier}")).status_code == 401
    assert await site.services.sessions.get(earlier)


def tampered(site):
    head, _, signature = site.handover().split(".")
    return f"{head}.{encoded(site.claims('other'))}.{signature}"


REFUSED = {
    "nothing": lambda site: "",
    "nonsense": lambda site: "a.b.c",
    "not ascii": lambda site: "é.é.é",
    "another key": lambda site: site.handover(key=PLATFORM_KEY + "!"),
    "changed": tampered,
    "unsigned": lambda site: unsigned(site.claims()),
    "unsigned in other words": lambda site: unsigned(site.claims(), "nOnE"),
    "without signature": lambda site: site.handover().rpartition(".")[0] + ".",
    "another HMAC": lambda site: jwt.encode(site.claims(), PLATFORM_KEY * 2, algorithm="HS512"),
    "no algorithm": lambda site: by_hand({"typ": "JWT"}, site.claims()),
    "odd algorithm": lambda site: by_hand({"alg": ["HS256"]}, site.claims()),
    "critical header": lambda site: by_hand({"alg": "HS256", "crit": ["exp"], "exp": 1}, site.claims()),
    "a list of claims": lambda site: by_hand({"alg": "HS256"}, [site.claims()]),
    "expired": lambda site: site.handover(exp=int(site.clock.at.timestamp()) - LEEWAY),
    "too long a life": lambda site: site.handover(exp=int(site.clock.at.timestamp()) + 400),
    "not yet": lambda site: site.handover(nbf=int(site.clock.at.timestamp()) + 30),
    "another audience": lambda site: site.handover(aud="billing"),
    "no organisation": lambda site: site.handover(organization=None),
    "no role": lambda site: site.handover(role=None),
    "too long": lambda site: site.handover(padding="x" * LONGEST_TOKEN),
    "nested": lambda site: by_hand({"alg": "HS256"}, {"aud": "mailroom"})[:40] + "[" * 2000,
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
async def test_every_refusal_reads_the_same_and_opens_nothing(site, make, capfd):
    token = make(site)
    answer = await arrive(site, token)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "The sign-in link is no longer valid" in answer.text
    assert "within five minutes" in answer.text
    assert answer.text == (await arrive(site, "nonsense")).text
    by_api = await site.client.post("/api/v1/sessions", json={"token": token})
    assert (by_api.status_code, by_api.json()["code"]) == (401, "handover_refused")
    log = capfd.readouterr().err
    assert "a hand-over was refused" in log
    assert "acme" not in log
    assert len(token) < 20 or token not in log


async def test_a_token_counts_once_by_whichever_way_it_comes(site):
    token = site.handover()
    assert (await arrive(site, token)).status_code == 303
    assert (await arrive(site, token)).status_code == 401
    again = await site.client.post("/api/v1/sessions", json={"token": token})
    assert again.status_code == 401


async def test_of_several_at_the_same_moment_one_gets_in(site):
    token = site.handover()
    answers = await asyncio.gather(*(arrive(site, token) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [303] + [401] * 7


async def test_the_same_name_of_a_token_in_another_organisation_is_another_token(site):
    for organization in ("acme", "other"):
        assert (await arrive(site, site.handover(organization, jti="the-same-name"))).status_code == 303
    assert (await arrive(site, site.handover("acme", jti="the-same-name"))).status_code == 401


async def test_a_token_that_was_used_cannot_come_back_as_long_as_its_time_lasts(site):
    token = site.handover()
    await arrive(site, token)
    site.clock.pass_(60 + LEEWAY - 1)
    assert (await arrive(site, site.handover())).status_code == 303  # which tidies up what is over
    assert (await arrive(site, token)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"},
        {"X-Purpose": "preview"},
        {"Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Dest": "empty"},
    ],
)
async def test_looking_ahead_uses_nothing_up(site, headers):
    token = site.handover()
    ahead = await arrive(site, token, **headers)
    assert ahead.status_code == 403
    assert "set-cookie" not in ahead.headers
    assert (await arrive(site, token, **{"Sec-Fetch-Dest": "document"})).status_code == 303


async def test_other_methods_use_nothing_up(site):
    token = site.handover()
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = await site.client.request(method, "/handover", params={"token": token})
        assert answer.status_code == 405
        assert sorted(answer.headers["allow"].replace(",", " ").split()) in (["GET"], ["GET", "POST"], ["POST"])
    assert (await arrive(site, token)).status_code == 303


@pytest.mark.parametrize(("private", "algorithm"), [(ED25519, "EdDSA"), (RSA, "RS256")])
async def test_a_public_key_takes_what_its_private_key_signed_and_nothing_else(site, private, algorithm):
    text = pem(private)
    handover = Handover(platform_key.parse(text), site.services.sessions, now=site.clock.now)
    _, session = await handover.open(jwt.encode(site.claims(), private, algorithm=algorithm))
    assert session.organization == "acme"
    stranger = ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else RSA_OF_SOMEBODY
    forged = [
        jwt.encode(site.claims(), stranger, algorithm=algorithm),
        # The public key as the secret of an HMAC: what a verifier falls for that goes by the token's header.
        by_hand({"alg": "HS256", "typ": "JWT"}, site.claims(), key=text),
        by_hand({"alg": algorithm, "typ": "JWT"}, site.claims(), key=text),
        by_hand({"alg": "HS256", "typ": "JWT"}, site.claims(), key=text.strip()),
        unsigned(site.claims()),
    ]
    if algorithm == "RS256":
        forged += [jwt.encode(site.claims(), private, algorithm=other) for other in ("RS512", "PS256")]
    for token in forged:
        with pytest.raises(HandoverRefused):
            await handover.open(token)


RSA_OF_SOMEBODY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def test_while_keys_are_rotated_both_are_taken_each_with_its_own_algorithm(site):
    handover = Handover(platform_key.parse(pem(RSA) + pem(ED25519)), site.services.sessions, now=site.clock.now)
    for private, algorithm in ((RSA, "RS256"), (ED25519, "EdDSA")):
        assert (await handover.open(jwt.encode(site.claims(), private, algorithm=algorithm)))[1].name
    with pytest.raises(HandoverRefused):
        await handover.open(by_hand({"alg": "HS256"}, site.claims(), key=pem(RSA)))


async def test_a_signed_secret_does_not_take_what_a_public_key_signed(site):
    with pytest.raises(HandoverRefused) as refused:
        await site.services.handover.open(jwt.encode(site.claims(), ED25519, algorithm="EdDSA"))
    assert refused.value.reason == "algorithm"


async def test_the_token_in_the_address_is_told_to_nobody(site, capfd):
    token = site.handover()
    for answer in (await arrive(site, token), await arrive(site, token)):
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert token not in answer.text
        assert token not in answer.headers.get("location", "")
    said = capfd.readouterr()
    assert token not in said.err + said.out
    assert "ada@" not in said.err


async def test_too_many_tokens_from_one_address_are_not_even_looked_at(site):
    codes = [(await arrive(site, "nonsense")).status_code for _ in range(125)]
    assert codes == [401] * 120 + [429] * 5
    refused = await arrive(site, site.handover())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    site.clock.pass_(1)
    assert (await arrive(site, site.handover())).status_code == 303


async def test_the_address_of_the_page_is_of_no_consequence_to_a_token(site):
    """Nothing in the token or the request chooses where the browser goes next."""
    answer = await site.client.get(
        "/handover", params={"token": site.handover(), "next": "https://evil.example", "return_to": f"{URL}/elsewhere"}
    )
    assert answer.headers["location"] == "/settings"
