"""The stand-in for the platform: what its page offers, and the tokens it hands people over with."""

import http.client
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from deploy.local.platform_page import Person, PlatformPage

_KEY = "a key of more than thirty-two bytes, for tests"
_ACME = Person("acme", "Ada", "ada@acme.example")
_ODD = Person("o<d>d", "Odo", "odo@odd.example")


@pytest.fixture
def platform() -> Iterator[PlatformPage]:
    with PlatformPage(_KEY, "http://127.0.0.1:1", [_ACME, _ODD]) as page:
        yield page


def _ask(page: PlatformPage, method: str, path: str, fields: dict[str, str] | None = None, **headers: str):
    connection = http.client.HTTPConnection(urlsplit(page.url).netloc, timeout=10)
    try:
        connection.request(method, path, body=urlencode(fields or {}), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location", ""), answer.read().decode()
    finally:
        connection.close()


def _claims(location: str) -> dict[str, object]:
    [token] = parse_qs(urlsplit(location).query)["token"]
    return jwt.decode(token, _KEY, algorithms=["HS256"], audience="mailroom", options={"require": ["exp", "jti"]})


def test_the_page_has_a_form_for_every_organisation(platform):
    status, _, text = _ask(platform, "GET", "/")
    assert status == 200
    assert 'name="organization" value="acme"' in text
    assert 'name="organization" value="o&lt;d&gt;d"' in text
    assert "o<d>d" not in text


def test_every_click_hands_over_with_a_fresh_token(platform):
    answers = [_ask(platform, "POST", "/open", {"organization": "acme", "role": role}) for role in ("admin", "viewer")]
    assert [status for status, _, _ in answers] == [303, 303]
    assert all(location.startswith("http://127.0.0.1:1/handover?") for _, location, _ in answers)
    admin, viewer = (_claims(location) for _, location, _ in answers)
    assert (admin["organization"], admin["email"], admin["name"]) == ("acme", "ada@acme.example", "Ada")
    assert (admin["role"], viewer["role"]) == ("admin", "viewer")
    assert admin["jti"] != viewer["jti"]
    assert 0 < int(str(admin["exp"])) - int(str(admin["iat"])) <= 300


@pytest.mark.parametrize(
    ("path", "fields", "headers"),
    [
        ("/open", {"organization": "globex", "role": "admin"}, {}),
        ("/open", {}, {}),
        ("/elsewhere", {"organization": "acme", "role": "admin"}, {}),
        ("/open", {"organization": "acme", "role": "admin"}, {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_nothing_else_is_handed_over(platform, path, fields, headers):
    status, location, _ = _ask(platform, "POST", path, fields, **headers)
    assert (status, location) == (404, "")


def test_what_is_not_a_role_is_a_viewer_s(platform):
    """A click can only lose rights by what it says."""
    assert _claims(_ask(platform, "POST", "/open", {"organization": "acme", "role": "root"})[1])["role"] == "viewer"
