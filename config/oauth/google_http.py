"""How Google's client libraries reach the token endpoint: by our connections, once a call, and remembered."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import requests
from google_auth_oauthlib.flow import Flow

from config.oauth import google_codes
from config.oauth.codes import Verdict
from config.oauth.replies import parsed, refusal
from config.oauth.wire import NoAnswer, Reply, Wire
from transports.errors import Code, Temporary

_OK: Final = 200
_HEADERS: Final = ("Accept", "Content-Type")

Fields = Mapping[str, Any]


class Refused(Exception):
    """A token endpoint refused; the verdict says what that means. Carries no text of the provider."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


class _Answer:
    """An answer in the shape google-auth reads."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.headers = dict(reply.headers)
        self.data = reply.text.encode()


class _Enough(Exception):
    """The answer is one that a library would ask again for."""


class CallRequest:
    """google-auth's ``Request`` for one call, which has a deadline; ``reply`` is the last answer.

    google-auth asks again when a server fails, after a pause; whether and when to do so is our caller's decision, so
    a refusal ends the call.
    """

    def __init__(self, wire: Wire, deadline: float) -> None:
        self._wire = wire
        self._deadline = deadline
        self.reply: Reply | None = None

    def __call__(
        self, url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: Any = None, **_: Any
    ) -> _Answer:
        """Sends one request; ``timeout`` does not count, the deadline does."""
        self.reply = self._wire.send(method, url, deadline=self._deadline, data=body, headers=headers)
        if self.reply.status != _OK:
            raise _Enough
        return _Answer(self.reply)


class Google:
    """Runs what the libraries do in one call, and reads the answer by our tables."""

    def __init__(self, wire: Wire, *, wall: Callable[[], float]) -> None:
        self._wire = wire
        self._wall = wall

    def ask(self, deadline: float, what: Callable[[CallRequest], object], *, own_app: bool = False) -> Fields:
        """The fields of the token endpoint's answer to ``what``.

        Raises:
            Refused: by the token endpoint.
            NoAnswer: there was none.
        """
        request = CallRequest(self._wire, deadline)
        try:
            what(request)
        except NoAnswer:
            raise
        except Exception as error:  # noqa: BLE001 - the answer was kept, and says more than any of these
            if request.reply is None:
                raise Refused(_unreadable(type(error).__name__)) from None
        return self.read(request.reply, own_app=own_app)

    def read(self, reply: Reply | None, *, own_app: bool = False) -> Fields:
        """The fields of an answer that has an access token; raises Refused for any other."""
        if reply is None:
            raise Refused(_unreadable("no answer"))
        fields = parsed(reply.text)
        token = fields.get("access_token")
        if reply.status == _OK and isinstance(token, str) and token:
            return fields
        if reply.status == _OK and "error" not in fields:
            raise Refused(_unreadable("no access token"))
        raise Refused(google_codes.classify(refusal(reply, now=self._wall()), own_app=own_app))

    def redeem(self, flow: Flow, code: str, deadline: float) -> Fields:
        """Redeems a code by an OAuth flow.

        oauthlib takes it for an error when a person left out a permission, unless a variable of the process's
        environment says otherwise; so the answer is read here, and its own verdict on it does not count.
        """
        kept: list[Reply] = []
        session: requests.Session = flow.oauth2session
        session.trust_env = False
        session.mount("https://", _Carrier(self._wire, deadline, kept))
        try:
            flow.fetch_token(code=code, include_client_id=True)
        except NoAnswer:
            raise
        except Exception as error:  # noqa: BLE001 - the answer was kept, and says more than any of these
            if not kept:
                raise Refused(_unreadable(type(error).__name__)) from None
        return self.read(kept[-1] if kept else None)


class _Carrier(requests.adapters.BaseAdapter):
    """Carries the requests of a flow's session over our connections."""

    def __init__(self, wire: Wire, deadline: float, kept: list[Reply]) -> None:
        super().__init__()
        self._wire = wire
        self._deadline = deadline
        self._kept = kept

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Sends one request; what the session says about time-outs and certificates does not count."""
        reply = self._wire.send(
            str(request.method),
            str(request.url),
            deadline=self._deadline,
            data=request.body,
            headers={name: request.headers[name] for name in _HEADERS if name in request.headers},
        )
        self._kept.append(reply)
        answer = requests.Response()
        answer.status_code = reply.status
        answer.headers.update(reply.headers)
        answer._content = reply.text.encode()
        answer.encoding = "utf-8"
        answer.request = request
        answer.url = str(request.url)
        return answer

    def close(self) -> None:
        """Nothing: the connections are not this session's."""


def _unreadable(what: str) -> Verdict:
    return Verdict(Temporary, Code.UNKNOWN_REPLY, f"unreadable answer, {what}", known=False)
