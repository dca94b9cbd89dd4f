"""The code in a test mail: what it is made of, how it is shown, and how it is read when a person types it.

Ten characters of Crockford's base 32 (50 bits): no I, L, O or U, so none is taken for another. Pure.
"""

from collections.abc import Callable
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 10

_LONGEST_ENTRY: Final = 100
_READ_AS: Final = str.maketrans("OIL", "011")


def new_code(random: Callable[[int], int]) -> str:
    """A code; ``random`` gives that many unpredictable bits (``secrets.randbits``)."""
    number = random(5 * LENGTH)
    return "".join(ALPHABET[number >> 5 * place & 31] for place in range(LENGTH))


def shown(code: str) -> str:
    """``XXXXX-XXXXX``: as it stands in the mail and in its link."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def normalized(entry: str) -> str | None:
    """The code a person meant, whatever its case, blanks and dashes; ``None`` for what cannot be one."""
    if len(entry) > _LONGEST_ENTRY:
        return None
    bare = "".join(entry.split()).translate({ord(dash): None for dash in "-\u2010\u2011\u2012\u2013\u2014\u2212"})
    code = bare.upper().translate(_READ_AS)
    return code if len(code) == LENGTH and all(character in ALPHABET for character in code) else None
