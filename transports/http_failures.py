"""Every exception of aiohttp, ssl and the socket becomes one of ours, once, by the table below.

What a *reply* means is the business of each transport's own tables.
"""

import ssl

from aiohttp import client_exceptions as client
from aiohttp.http_exceptions import HttpProcessingError

from transports.certificate import VERIFY_CODES
from transports.errors import Code, DeliveryError, OutcomeUnknown, PlatformProblem, Temporary, Unreachable


def translate(error: Exception, *, handed_over: bool, name: str) -> DeliveryError:
    """``error`` as one of ours; ``name`` is the transport's.

    ``handed_over`` says that the request may have been acted upon: then whatever breaks leaves the outcome unknown.
    Before, it is ``Unreachable``, certificates included: the endpoint is the provider's and not an organisation's
    choice, so a certificate that cannot be verified comes from what stands between us and the provider.
    """
    if handed_over:
        return OutcomeUnknown(Code.OUTCOME_UNKNOWN, _word(error), transport=name)
    if isinstance(error, client.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return _certificate(error, name)
    for kind, found, code, detail in _TABLE:
        if isinstance(error, kind):
            return found(code, detail, transport=name)
    raise TypeError(f"no translation for {type(error).__name__}") from error


def cut_off(error: Exception, name: str) -> DeliveryError:
    """``error`` on a connection that stood, for a request that handed nothing over."""
    if isinstance(error, TimeoutError):
        return Unreachable(Code.REPLY_TIMEOUT, "at request", transport=name)
    return translate(error, handed_over=False, name=name)


def _word(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no reply"
    unreadable = (client.ClientResponseError, client.ClientPayloadError, HttpProcessingError)
    return "unreadable reply" if isinstance(error, unreadable) else "connection lost"


def _certificate(error: Exception, name: str) -> DeliveryError:
    cause = getattr(error, "certificate_error", error)
    number = getattr(cause, "verify_code", 0)
    return Unreachable(VERIFY_CODES.get(number, Code.CERTIFICATE_INVALID), f"verify code {number}", transport=name)


_Row = tuple[type[Exception], type[DeliveryError], Code, str]

# The first row that fits, so special classes stand before their parents.
_TABLE: tuple[_Row, ...] = (
    (client.ClientConnectorDNSError, Unreachable, Code.NAME_NOT_FOUND, ""),
    (client.ClientSSLError, Unreachable, Code.TLS_FAILED, "at tls"),
    (client.ServerFingerprintMismatch, Unreachable, Code.CERTIFICATE_INVALID, "at tls"),
    (client.ClientConnectorError, Unreachable, Code.CONNECT_FAILED, "at connect"),
    (client.ConnectionTimeoutError, Unreachable, Code.CONNECT_TIMEOUT, "at connect"),
    (client.ServerTimeoutError, Unreachable, Code.REPLY_TIMEOUT, "at request"),
    # a URL that is none can only come from the platform's settings or from a provider's reply
    (client.InvalidURL, PlatformProblem, Code.PLATFORM_SETTINGS, "not a usable URL"),
    (client.NonHttpUrlClientError, PlatformProblem, Code.PLATFORM_SETTINGS, "not a usable URL"),
    (client.RedirectClientError, PlatformProblem, Code.PLATFORM_SETTINGS, "not a usable URL"),
    (client.ClientConnectionError, Unreachable, Code.CONNECTION_LOST, "at request"),
    (client.ClientPayloadError, Temporary, Code.PROTOCOL_ERROR, "unreadable reply"),
    (client.ClientResponseError, Temporary, Code.PROTOCOL_ERROR, "unreadable reply"),
    (client.ClientError, Unreachable, Code.CONNECTION_LOST, "at request"),
    (HttpProcessingError, Temporary, Code.PROTOCOL_ERROR, "unreadable reply"),
    (ssl.SSLError, Unreachable, Code.TLS_FAILED, "at tls"),
    (TimeoutError, Unreachable, Code.CONNECT_TIMEOUT, "at connect"),
    (OSError, Unreachable, Code.CONNECTION_LOST, "at request"),
)

TRANSLATED: tuple[type[Exception], ...] = tuple(kind for kind, *_ in _TABLE)
"""What a client call may raise; anything else is a defect of ours and passes through."""
