"""Text for property tests: everything a string can hold, and often what tempts a composer or a parser of mail."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

TEMPTATIONS = (
    *'\r\n\t\0\x7f\x85\u2028\u00a0\u200d "\\,;:<>()[]=?@.é名😀\ud800\udfff',
    *("\r\n", "  ", " \n", "=?utf-8?q?x?=", "=?", "?=", "=20", "a" * 80, "é" * 40),
    *("\r\nBcc: x@y.example\r\n", "\n\n", "From ", "\nFrom x", "\n.\n", "--=_"),
)


def texts(max_size: int = 60) -> SearchStrategy[str]:
    """Strings of at most ``max_size`` pieces: characters of all kinds, ASCII words and temptations.

    A list of pieces, because an alphabet forgets how often its rare characters are wanted.
    """
    pieces = st.one_of(
        st.sampled_from(TEMPTATIONS),
        st.characters(exclude_categories=[]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12),
    )
    return st.lists(pieces, max_size=max_size).map("".join)
