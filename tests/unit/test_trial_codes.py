"""The code in a test mail: unpredictable, unambiguous, and read however a person types it."""

import secrets

import pytest

from config.trial_codes import ALPHABET, LENGTH, new_code, normalized, shown


def test_a_code_has_all_of_its_bits():
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert new_code(lambda bits: 0) == "0" * LENGTH
    assert new_code(lambda bits: 2**bits - 1) == "Z" * LENGTH
    bits = iter(range(50))
    assert len({new_code(lambda _: 1 << next(bits)) for _ in range(50)}) == 50


def test_each_code_is_read_back_as_it_is_shown():
    for _ in range(200):
        code = new_code(secrets.randbits)
        assert normalized(shown(code)) == code
        assert normalized(f" {shown(code).lower()}\n") == code


@pytest.mark.parametrize(
    "entry", ["ABCDE-01234", "abcde01234", "a b c d e 0 1 2 3 4", "ABCDE\u201301234", "ABCDE-O1234", "abcde-oi234"]
)
def test_case_blanks_dashes_and_look_alikes_do_not_matter(entry):
    assert normalized(entry) == "ABCDE01234"


@pytest.mark.parametrize(
    "entry", ["", "ABCDE", "ABCDE-01234-5", "ABCDU-01234", "ABCD\u00c9-01234", "A" * 10**6, "\u0660" * 10]
)
def test_what_cannot_be_a_code_is_none(entry):
    assert normalized(entry) is None
