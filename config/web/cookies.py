"""Our cookies: host-only, never readable by a script, never sent in clear text to another machine.

One is the session's. The other keeps the code of a test mail whose link somebody opened without a session, until they
have signed in; it is worth something only to a session of the organisation that the mail was sent for.

``__Host-`` makes the browser itself insist on ``Secure``, ``Path=/`` and no ``Domain``, so that no neighbouring host
can plant a session (RFC 6265bis §4.1.3.2). Browsers take ``http://localhost`` and ``http://127.0.0.1`` for secure, so
the same name serves there.
"""

import re
from collections.abc import Mapping
from typing import Final

from config.trial_codes import normalized, shown

NAME: Final = "__Host-mailroom"
CODE_NAME: Final = "__Host-mailroom-code"
CODE_SECONDS: Final = 1800
"""How long a code is kept."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{20,128}")


def session_token(headers: Mapping[str, str]) -> str | None:
    """The token in the ``Cookie`` header; ``None`` if there is none, or something that cannot be one."""
    value = _value(headers, NAME)
    return value if value is not None and plausible(value) else None


def kept_code(headers: Mapping[str, str]) -> str:
    """The code that was kept, as it stands in a mail's link; empty for none."""
    code = normalized(_value(headers, CODE_NAME) or "")
    return shown(code) if code else ""


def keeping_code(code: str) -> str:
    """The ``Set-Cookie`` that keeps the code of a test mail; empty for what cannot be one."""
    meant = normalized(code)
    return f"{_cookie(shown(meant), CODE_NAME)}; Max-Age={CODE_SECONDS}" if meant else ""


def forgetting_code() -> str:
    """The ``Set-Cookie`` that forgets it."""
    return f"{_cookie('', CODE_NAME)}; Max-Age=0"


def plausible(token: str) -> bool:
    """Whether it has the form of a session's token, so that it is worth a look into the store."""
    return _TOKEN.fullmatch(token) is not None


def keeping(token: str) -> str:
    """The ``Set-Cookie`` that signs a browser in, until it is closed or the session ends."""
    return _cookie(token)


def forgetting() -> str:
    """The ``Set-Cookie`` that signs a browser out."""
    return f"{_cookie('')}; Max-Age=0"


def _value(headers: Mapping[str, str], wanted: str) -> str | None:
    # Not http.cookies: one odd cookie of a neighbour makes it drop all that follow.
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted:
            return value
    return None


def _cookie(value: str, name: str = NAME) -> str:
    return f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"
