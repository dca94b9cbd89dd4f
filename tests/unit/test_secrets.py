"""Secrets: sealed for one place only, opened by any of the keys, and never shown."""

import base64
import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigurationError, SecretUnreadable
from config.secrets import KeyedHash, Secret, SecretBox, decode_key, generate_key

ORGANIZATIONS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def key(letter: str = "a") -> Secret:
    return Secret(generate_key(lambda count: letter.encode() * count))


@given(plain=TEXTS, organization=ORGANIZATIONS, field=ORGANIZATIONS)
def test_what_was_sealed_opens_to_the_same_text(plain, organization, field):
    box = SecretBox([key()])
    assert box.open(box.seal(plain, organization, field), organization, field) == plain


@given(plain=TEXTS.filter(lambda text: len(text) > 3), organization=ORGANIZATIONS)
def test_a_sealed_text_does_not_contain_the_plain_one(plain, organization):
    token = SecretBox([key()]).seal(plain, organization, "password")
    assert plain.encode() not in base64.urlsafe_b64decode(token.split(":")[2])


@given(ours=ORGANIZATIONS, theirs=ORGANIZATIONS, field=ORGANIZATIONS, other=ORGANIZATIONS)
def test_a_sealed_text_opens_for_its_own_organisation_and_field_only(ours, theirs, field, other):
    box = SecretBox([key()])
    token = box.seal("secret", ours, field)
    if (ours, field) != (theirs, other):
        with pytest.raises(SecretUnreadable):
            box.open(token, theirs, other)


def test_moving_the_border_between_organisation_and_field_does_not_open_it():
    box = SecretBox([key()])
    token = box.seal("secret", "acme", "password")
    with pytest.raises(SecretUnreadable):
        box.open(token, "acmepass", "word")


@given(position=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_a_changed_token_is_refused_and_never_crashes(position, flip):
    box = SecretBox([key()])
    token = box.seal("correct horse", "acme", "password")
    prefix, body = token.rsplit(":", 1)
    raw = bytearray(base64.urlsafe_b64decode(body))
    raw[position % len(raw)] ^= flip
    with pytest.raises(SecretUnreadable):
        box.open(f"{prefix}:{base64.urlsafe_b64encode(raw).decode()}", "acme", "password")


@given(st.text())
def test_any_other_text_is_refused_as_unreadable(text):
    box = SecretBox([key()])
    for token in (text, f"v1:{text}", f"v1:{box.key_ids[0]}:{text}"):
        with pytest.raises(SecretUnreadable):
            box.open(token, "acme", "password")


def test_the_same_text_is_sealed_differently_each_time():
    box = SecretBox([key()])
    assert box.seal("x", "acme", "password") != box.seal("x", "acme", "password")


def test_the_first_key_seals_and_every_key_opens():
    old, new = SecretBox([key("a")]), SecretBox([key("b"), key("a")])
    token = old.seal("x", "acme", "password")
    assert new.open(token, "acme", "password") == "x"
    assert not new.is_current(token)
    fresh = new.seal("x", "acme", "password")
    assert new.is_current(fresh)
    with pytest.raises(SecretUnreadable, match=new.key_ids[0]):
        old.open(fresh, "acme", "password")


def test_without_a_key_nothing_is_sealed_and_the_reader_is_told_what_to_do():
    with pytest.raises(ConfigurationError, match="mailroom keys generate"):
        SecretBox([]).seal("x", "acme", "password")


def test_a_generated_key_is_random_and_readable_in_either_alphabet():
    assert generate_key() != generate_key()
    text = generate_key(lambda count: b"\xfb\xff" * (count // 2))
    assert "-" in text
    assert decode_key(text) == decode_key(base64.b64encode(decode_key(text)).decode())


@pytest.mark.parametrize("text", ["", "short", "!" * 43, "é" * 43, "a" * 44, base64.b64encode(b"x" * 31).decode()])
def test_what_is_not_a_key_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match=r"base64|bytes") as caught:
        decode_key(text)
    assert not text or text not in str(caught.value)


def test_key_ids_say_nothing_of_the_key():
    box = SecretBox([key()])
    assert box.key_ids[0] not in key().reveal()
    assert len(box.key_ids[0]) == 8


def test_a_secret_does_not_show_itself():
    secret = Secret("canary")
    with pytest.raises(TypeError) as caught:
        pickle.dumps(secret)
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        f"{[secret]}",
        str([secret]),
        str(caught.value),
    ):
        assert "canary" not in shown
    assert secret.reveal() == "canary"


def test_secrets_compare_by_their_text_and_are_not_copied_by_accident():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert bool(Secret("a"))
    assert not Secret("")
    with pytest.raises(TypeError):
        copy.copy(Secret("a"))


@given(st.lists(st.binary(), max_size=4), st.lists(st.binary(), max_size=4))
def test_hashes_differ_when_the_parts_or_their_borders_do(one, other):
    digest = KeyedHash(b"k" * 32)
    assert (digest(*one) == digest(*other)) == (one == other)


def test_hashes_of_different_keys_have_nothing_in_common():
    assert KeyedHash(b"a" * 32)(b"x") != KeyedHash(b"b" * 32)(b"x")
    assert len(KeyedHash(b"a" * 32)(b"x")) == 16
    assert "aaa" not in repr(KeyedHash(b"a" * 32))
