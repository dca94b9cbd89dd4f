"""An app's credentials in the form msal takes, and what is asked of msal. Blocking: for the threads of a client."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msal
from msal.exceptions import MsalServiceError

from config import key_pair
from config.oauth import microsoft_codes
from config.oauth.codes import Verdict
from config.oauth.microsoft_http import CallClient, Documents
from config.oauth.replies import parsed, refusal
from config.oauth.wire import NoAnswer, Reply, Wire
from config.secrets import Secret
from transports.errors import Code, PlatformProblem, Temporary

Fields = Mapping[str, Any]

_OK: Final = 200
_KEY: Final = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EntraApp:
    """An app registration: its id, and a client secret or (``certificate``) a PEM text of key and certificate."""

    client_id: str
    secret: Secret = field(repr=False)
    certificate: bool = False

    def credential(self) -> str | dict[str, str]:
        """What msal calls the client's credential.

        Raises:
            ValueError: the PEM text has not what it must have; the sentence repeats nothing of it.
        """
        text = self.secret.reveal()
        if not self.certificate:
            return text
        key_pair.check_text(text.encode())
        key, certificate = _KEY.search(text), _CERTIFICATE.search(text)
        if key is None or certificate is None:
            raise ValueError("has no private key and certificate in PEM form")
        # With the certificate at hand msal signs with PS256 and names it by its SHA-256 thumbprint.
        return {"private_key": key.group(), "public_certificate": certificate.group()}


@dataclass(frozen=True, slots=True)
class Got:
    """A token endpoint's good answer; ``issuer`` is the discovery document's."""

    fields: Fields = field(repr=False)
    issuer: str = ""


class Refused(Exception):
    """A token endpoint refused; the verdict says what that means. Carries no text of the provider."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


class Entra:
    """Asks msal, with a fresh app and a fresh cache each time."""

    def __init__(self, wire: Wire, documents: Documents, *, wall: Callable[[], float]) -> None:
        self._wire = wire
        self._documents = documents
        self._wall = wall

    def ask(
        self,
        app: EntraApp,
        authority: str,
        deadline: float,
        what: Callable[[Any], Fields],
        *,
        own_app: bool = False,
        consent: bool = False,
    ) -> Got:
        """The answer to ``what``, which is done with msal's app object.

        A token endpoint's good answer is read here: msal fails at one with an odd lifetime or ID token, and a refresh
        token in it may be the only one that is still good. For a ``consent`` msal's reading counts: it compares the
        nonce.

        Raises:
            Refused: by the token endpoint.
            NoAnswer: there was none.
        """
        http = CallClient(self._wire, self._documents, deadline)
        fault: Exception | None = None
        found: Fields = {}
        try:
            found = what(self._app(app, authority, http))
        except NoAnswer:
            raise
        except Exception as error:  # noqa: BLE001 - an answer of another form makes msal fail in many ways
            fault = error
        given = None if consent else _given(http.token)
        if given is not None:
            return Got(given, http.issuer)
        if isinstance(fault, MsalServiceError):
            raise Refused(self._verdict(http.token or http.failed, own_app))
        if fault is not None:
            raise Refused(self._odd(fault, http, own_app))
        if "error" in found or not ("access_token" in found or "auth_uri" in found):
            raise Refused(self._verdict(http.token, own_app))
        return Got(found, http.issuer)

    def _app(self, app: EntraApp, authority: str, http: CallClient) -> Any:
        return msal.ConfidentialClientApplication(
            app.client_id,
            client_credential=app.credential(),
            authority=authority,
            http_client=http,
            # The authority is the operator's, not a stranger's: nobody has to be asked whether it is Microsoft's.
            instance_discovery=False,
            azure_region=False,
        )

    def _odd(self, error: Exception, http: CallClient, own_app: bool) -> Verdict:
        # The texts of these exceptions repeat what was received; only their types are looked at.
        if http.failed is not None:
            return self._verdict(http.failed, own_app)
        if http.token is None or http.token.status != _OK:
            return self._verdict(http.token, own_app)
        if isinstance(error, RuntimeError):
            return Verdict(PlatformProblem, Code.INTERNAL_ERROR, "nonce")
        return _unreadable(type(error).__name__)

    def _verdict(self, reply: Reply | None, own_app: bool) -> Verdict:
        if reply is None:
            return _unreadable("no answer")
        return microsoft_codes.classify(refusal(reply, now=self._wall()), own_app=own_app)


def _unreadable(what: str) -> Verdict:
    return Verdict(Temporary, Code.UNKNOWN_REPLY, f"unreadable answer, {what}", known=False)


def _given(reply: Reply | None) -> Fields | None:
    """The fields of an answer with an access token, ``None`` for any other."""
    if reply is None or reply.status != _OK:
        return None
    fields = parsed(reply.text)
    token = fields.get("access_token")
    return fields if isinstance(token, str) and token else None


def claims(found: Got) -> Fields:
    """The ID token's claims, empty without one."""
    kept = found.fields.get("id_token_claims")
    return kept if isinstance(kept, dict) else {}


def scopes(found: Got, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The granted scopes; a server that leaves them out grants what was asked for (RFC 6749 §5.1)."""
    granted = found.fields.get("scope")
    return tuple(granted.split()) if isinstance(granted, str) and granted else asked
