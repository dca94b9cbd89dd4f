"""Whether a request is a person's visit, for the addresses whose query counts once."""

from typing import Final

from fastapi import Request

_AHEAD: Final = ("sec-purpose", "purpose", "x-moz", "x-purpose")
"""Where browsers and their helpers say that a page is fetched before anybody asked for it."""
_WORDS: Final = ("prefetch", "preview", "prerender")


def is_visit(request: Request) -> bool:
    """Whether a person opens it as a page; a token or code must not be used up by a browser that only looks ahead.

    Anything but success makes a browser ask again when the person really goes there.
    """
    headers = request.headers
    ahead = any(word in headers.get(name, "").lower() for name in _AHEAD for word in _WORDS)
    return not ahead and headers.get("sec-fetch-dest", "document") == "document"
