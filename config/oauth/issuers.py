"""Who says to be answering: the ``iss`` that a provider may send back with a code or an error (RFC 9207). Pure.

A browser that began at one provider could be made to come back with the answer of another; who the answer is from is
then compared before anything is redeemed. Without the parameter there is nothing to compare.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from config.oauth.provider import ConsentRefused

GOOGLE: Final = "https://accounts.google.com"
_OF_A_TENANT: Final = re.compile(r"/[A-Za-z0-9][A-Za-z0-9.-]{0,252}/v2\.0/?")


def google(query: Mapping[str, str], auth_url: str) -> None:
    """Compares with Google's own, or with where ``auth_url`` is.

    Raises:
        ConsentRefused: it is from somebody else.
    """
    if "iss" in query and query["iss"] not in {GOOGLE, _origin(auth_url)}:
        raise ConsentRefused("invalid", "iss")


def microsoft(query: Mapping[str, str], authority: str) -> None:
    """Compares with the cloud of ``authority``; which tenant somebody belongs to is not known before they signed in.

    Raises:
        ConsentRefused: it is from somebody else.
    """
    if "iss" not in query:
        return
    path = query["iss"].removeprefix(_origin(authority))
    if path == query["iss"] or not _OF_A_TENANT.fullmatch(path):
        raise ConsentRefused("invalid", "iss")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
