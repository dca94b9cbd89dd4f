"""The session's cookie: host-only, never readable by a script, never sent in clear text to another machine.

``__Host-`` makes the browser itself insist on ``Secure``, ``Path=/`` and no ``Domain``, so that no neighbouring host
can plant a session (RFC 6265bis §4.1.3.2). Browsers take ``http://localhost`` and ``http://127.0.0.1`` for secure, so
the same name serves there.
"""

import re
from collections.abc import Mapping
from typing import Final

NAME: Final = "__Host-mailroom"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{20,128}")


def session_token(headers: Mapping[str, str]) -> str | None:
    """The token in the ``Cookie`` header; ``None`` if there is none, or something that cannot be one."""
    # Not http.cookies: one odd cookie of a neighbour makes it drop all that follow.
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == NAME:
            return value if plausible(value) else None
    return None


def plausible(token: str) -> bool:
    """Whether it has the form of a session's token, so that it is worth a look into the store."""
    return _TOKEN.fullmatch(token) is not None


def keeping(token: str) -> str:
    """The ``Set-Cookie`` that signs a browser in, until it is closed or the session ends."""
    return _cookie(token)


def forgetting() -> str:
    """The ``Set-Cookie`` that signs a browser out."""
    return f"{_cookie('')}; Max-Age=0"


def _cookie(value: str) -> str:
    return f"{NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"
