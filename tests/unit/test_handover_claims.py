"""What a hand-over token may say: each claim by itself, and that nothing else ever comes out than a sound statement."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.choices import valid_organization_id
from config.sessions import Role
from config.web.handover import LEEWAY, LIFETIME, HandoverRefused, read

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
SOUND = {
    "aud": "mailroom",
    "organization": "acme",
    "role": "admin",
    "email": "ada@acme.example",
    "name": "Ada Lovelace",
    "jti": "0123456789abcdef",
    "exp": SECONDS + 60,
}
MISSING = object()


def claims(**changes):
    return {name: value for name, value in {**SOUND, **changes}.items() if value is not MISSING}


def test_a_sound_token_says_who_comes():
    statement = read(claims(locale="fr-CA", nbf=SECONDS, iat=SECONDS, other="passed over"), NOW)
    identity = statement.identity
    assert (identity.organization, identity.role, identity.email) == ("acme", Role.ADMIN, "ada@acme.example")
    assert (identity.name, identity.language, statement.jti) == ("Ada Lovelace", "fr", "0123456789abcdef")


def test_a_used_token_is_remembered_for_longer_than_it_would_be_taken():
    statement = read(claims(), NOW)
    assert statement.expires.timestamp() > SECONDS + 60 + LEEWAY


@pytest.mark.parametrize("locale", ["fr", "FR", "fr_FR", "fr-Latn-CH"])
def test_a_regional_form_of_a_language_is_that_language(locale):
    assert read(claims(locale=locale), NOW).identity.language == "fr"


@pytest.mark.parametrize("locale", ["de", "frisian", "", None])
def test_a_language_we_lack_is_left_to_the_browser(locale):
    assert read(claims(locale=locale), NOW).identity.language is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": MISSING}, "audience"),
        ({"aud": "billing"}, "audience"),
        ({"aud": ["mailroom", "billing"]}, "audience"),
        ({"aud": ["billing"]}, "audience"),
        ({"aud": {"mailroom": 1}}, "audience"),
        ({"exp": MISSING}, "exp"),
        ({"exp": str(SECONDS + 60)}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"exp": 10**400}, "exp"),
        ({"exp": -5}, "exp"),
        ({"exp": [SECONDS]}, "exp"),
        ({"exp": SECONDS - LEEWAY}, "expired"),
        ({"exp": SECONDS + LIFETIME + LEEWAY + 1}, "lifetime"),
        ({"exp": SECONDS + 250, "iat": SECONDS - 60}, "lifetime"),
        ({"nbf": SECONDS + LEEWAY + 1}, "not_yet"),
        ({"iat": SECONDS + LEEWAY + 1}, "not_yet"),
        ({"nbf": "soon"}, "nbf"),
        ({"iat": "now"}, "iat"),
        ({"jti": MISSING}, "jti"),
        ({"jti": 12345678}, "jti"),
        ({"jti": "short"}, "jti"),
        ({"jti": "x" * 129}, "jti"),
        ({"jti": "01234567 89abcdef"}, "jti"),
        ({"jti": "01234567\n89abcdef"}, "jti"),
        ({"jti": "01234567é89abcdef"}, "jti"),
        ({"organization": MISSING}, "organization"),
        ({"organization": ""}, "organization"),
        ({"organization": "../other"}, "organization"),
        ({"organization": "acme\n"}, "organization"),
        ({"organization": "x" * 129}, "organization"),
        ({"organization": ["acme"]}, "organization"),
        ({"role": MISSING}, "role"),
        ({"role": "owner"}, "role"),
        ({"role": "Admin"}, "role"),
        ({"role": ["admin"]}, "role"),
        ({"role": None}, "role"),
        ({"email": MISSING}, "email"),
        ({"email": "ada"}, "email"),
        ({"email": "Ada <ada@acme.example>"}, "email"),
        ({"email": "ada@acme.example, eve@evil.example"}, "email"),
        ({"email": "ada@acme.example\r\nBcc: eve@evil.example"}, "email"),
        ({"email": f"{'a' * 250}@acme.example"}, "email"),
        ({"email": 5}, "email"),
        ({"name": MISSING}, "name"),
        ({"name": "Ada\nLovelace"}, "name"),
        ({"name": "Ada \u202eecalevol"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": {"first": "Ada"}}, "name"),
        ({"locale": 5}, "locale"),
        ({"locale": "f" * 36}, "locale"),
    ],
)
def test_what_is_missing_odd_or_out_of_time_is_refused(changes, reason):
    with pytest.raises(HandoverRefused) as refused:
        read(claims(**changes), NOW)
    assert refused.value.reason == reason


@pytest.mark.parametrize("seconds", [-LEEWAY + 1, 0, 1, LIFETIME, LIFETIME + LEEWAY])
def test_clocks_may_differ_a_little(seconds):
    assert read(claims(exp=SECONDS + seconds), NOW).identity.organization == "acme"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300) | st.just("mailroom"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*SOUND, "iat", "nbf", "locale"]), ANYTHING, max_size=4))
def test_whatever_is_signed_is_a_sound_statement_or_refused(changes):
    try:
        statement = read({**SOUND, **changes}, NOW)
    except HandoverRefused:
        return
    identity = statement.identity
    assert valid_organization_id(identity.organization)
    assert identity.role in set(Role)
    assert identity.email.count("@") == 1
    assert len(identity.email) <= 254
    assert identity.name.isprintable() or not any(ord(one) < 32 for one in identity.name)
    assert 0 < statement.expires.timestamp() - SECONDS <= LIFETIME + 3 * LEEWAY
