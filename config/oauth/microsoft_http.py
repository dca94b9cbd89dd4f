"""The HTTP client that msal is given: it keeps time, keeps discovery documents, and remembers what was said last.

msal keeps such documents, too, but in its app object, and there it also keeps refusals for a minute (an account that
was just mended would still fail); so an app object lives for one call only, and this is what lives longer.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from config.oauth.replies import parsed
from config.oauth.wire import Reply, Wire

DAY: Final = 86_400.0
MOST_KEPT: Final = 1000
_DISCOVERY: Final = "/.well-known/openid-configuration"
_OK: Final = 200


class Answer:
    """An answer in the shape msal reads."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.text = reply.text
        self.headers = dict(reply.headers)

    def raise_for_status(self) -> None:
        """Nothing: msal wraps answers and asks its own wrapper."""


class HttpClient(Protocol):
    """What msal asks of a client."""

    def get(self, url: str, **options: Any) -> Answer: ...

    def post(self, url: str, **options: Any) -> Answer: ...

    def close(self) -> None: ...


class Documents:
    """Discovery documents by address: the newest thousand, for a day each. Safe to use from several threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most: int = MOST_KEPT) -> None:
        self._kept: OrderedDict[str, tuple[float, Reply]] = OrderedDict()
        self._lock = threading.Lock()
        self._clock = clock
        self._most = most

    def get(self, url: str) -> Reply | None:
        """The document, unless it is older than a day."""
        with self._lock:
            until, reply = self._kept.get(url, (0.0, None))
            return reply if reply is not None and self._clock() < until else None

    def put(self, url: str, reply: Reply) -> None:
        """Keeps a document; the oldest goes when there are too many."""
        with self._lock:
            self._kept[url] = (self._clock() + DAY, reply)
            self._kept.move_to_end(url)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


class CallClient:
    """An :class:`HttpClient` for one call, which has a deadline.

    ``token`` is the token endpoint's answer, ``failed`` a discovery that was refused, ``issuer`` what the discovery
    document says of itself; each as far as it came to that.
    """

    def __init__(self, wire: Wire, documents: Documents, deadline: float) -> None:
        self._wire = wire
        self._documents = documents
        self._deadline = deadline
        self.token: Reply | None = None
        self.failed: Reply | None = None
        self.issuer = ""

    def get(self, url: str, *, params: Mapping[str, str] | None = None, headers: Any = None, **_: Any) -> Answer:
        """A document, kept or fetched; raises :class:`~config.oauth.wire.NoAnswer`."""
        document = url.endswith(_DISCOVERY) and not params
        reply = self._documents.get(url) if document else None
        if reply is None:
            reply = self._wire.send("GET", url, deadline=self._deadline, params=params, headers=headers)
            if document and reply.status == _OK:
                self._documents.put(url, reply)
            elif reply.status != _OK:
                self.failed = reply
        if document:
            self.issuer = str(parsed(reply.text).get("issuer") or "")
        return Answer(reply)

    def post(self, url: str, *, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> Answer:
        """A request for a token; raises :class:`~config.oauth.wire.NoAnswer`."""
        self.token = self._wire.send("POST", url, deadline=self._deadline, params=params, data=data, headers=headers)
        return Answer(self.token)

    def close(self) -> None:
        """Nothing: the connections are not this call's."""
