"""No exception of aiohttp, ssl or the socket leaves the HTTP session untranslated."""

import inspect
import socket
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from transports.errors import Code, DeliveryError, OutcomeUnknown, PlatformProblem, Temporary, Unreachable
from transports.http_failures import TRANSLATED, translate

KEY = ConnectionKey("graph.example", 443, True, True, None, None, None)
HEADERS = CIMultiDictProxy(CIMultiDict[str]())
CLIENT = [
    kind
    for module in (client_exceptions, http_exceptions)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == module.__name__ and kind.__name__ != "WSMessageTypeError"
]


def instance(kind: type[Exception]) -> Exception:
    words = "words of jo@example.org"
    arguments: tuple[Any, ...] = (words,)
    if issubclass(kind, client_exceptions.ClientResponseError):
        request = aiohttp.RequestInfo(URL("https://graph.example/"), "POST", HEADERS, URL("https://graph.example/"))
        arguments = (request, ())
    elif issubclass(kind, client_exceptions.ClientConnectorCertificateError):
        arguments = (KEY, ssl.SSLCertVerificationError(1, words))
    elif issubclass(kind, client_exceptions.UnixClientConnectorError):
        arguments = ("/a/path", KEY, OSError(1, words))
    elif issubclass(kind, client_exceptions.ClientConnectorError):
        arguments = (KEY, OSError(1, words))
    elif kind is http_exceptions.HttpProcessingError:
        return kind(message=words)
    elif issubclass(kind, client_exceptions.ServerFingerprintMismatch):
        arguments = (b"1", b"2", "graph.example", 443)
    return kind(*arguments)


@pytest.mark.parametrize("handed_over", [True, False])
@pytest.mark.parametrize("kind", CLIENT)
def test_every_exception_of_the_client_has_a_translation(kind: type[Exception], handed_over: bool) -> None:
    assert issubclass(kind, TRANSLATED)
    error = translate(instance(kind), handed_over=handed_over, name="microsoft365")
    assert isinstance(error, DeliveryError)
    assert isinstance(error, OutcomeUnknown) is handed_over
    assert "words" not in str(error)
    assert "@" not in str(error)
    assert error.transport == "microsoft365"


def test_the_walk_finds_the_client_s_exceptions() -> None:
    assert len(CLIENT) >= 35
    assert client_exceptions.ServerDisconnectedError in CLIENT
    assert http_exceptions.LineTooLong in CLIENT


def test_what_is_not_the_client_s_passes_through() -> None:
    with pytest.raises(TypeError):
        translate(KeyError("a defect"), handed_over=False, name="")
    assert not issubclass(KeyError, TRANSLATED)


@pytest.mark.parametrize(
    ("verify_code", "code"),
    [
        (10, Code.CERTIFICATE_EXPIRED),
        (62, Code.CERTIFICATE_NAME_MISMATCH),
        (18, Code.CERTIFICATE_SELF_SIGNED),
        (20, Code.CERTIFICATE_INVALID),
    ],
)
def test_certificates_are_judged_by_openssl_s_verify_code(verify_code: int, code: Code) -> None:
    failure = ssl.SSLCertVerificationError(1, "certificate verify failed")
    failure.verify_code = verify_code
    for error in (failure, client_exceptions.ClientConnectorCertificateError(KEY, failure)):
        translated = translate(error, handed_over=False, name="")
        assert isinstance(translated, Unreachable)
        assert translated.code is code


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (client_exceptions.ClientConnectorDNSError(KEY, socket.gaierror(1, "no")), Unreachable, Code.NAME_NOT_FOUND),
        (client_exceptions.ClientConnectorError(KEY, OSError(111, "no")), Unreachable, Code.CONNECT_FAILED),
        (client_exceptions.ConnectionTimeoutError(), Unreachable, Code.CONNECT_TIMEOUT),
        (client_exceptions.ClientConnectorSSLError(KEY, ssl.SSLError(1, "no")), Unreachable, Code.TLS_FAILED),
        (client_exceptions.ServerDisconnectedError(), Unreachable, Code.CONNECTION_LOST),
        (client_exceptions.InvalidURL("no"), PlatformProblem, Code.PLATFORM_SETTINGS),
        (client_exceptions.ClientPayloadError(), Temporary, Code.PROTOCOL_ERROR),
        (TimeoutError(), Unreachable, Code.CONNECT_TIMEOUT),
        (ConnectionResetError(), Unreachable, Code.CONNECTION_LOST),
    ],
)
def test_each_failure_before_hand_over_has_the_fitting_code(
    error: Exception, kind: type[DeliveryError], code: Code
) -> None:
    translated = translate(error, handed_over=False, name="")
    assert (type(translated), translated.code) == (kind, code)
