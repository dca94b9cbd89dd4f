"""What is worth showing of a certificate that was verified, and what OpenSSL says of one that was not."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from transports.errors import Code
from transports.protocol import Facts

VERIFY_CODES: dict[int, Code] = {
    9: Code.CERTIFICATE_EXPIRED,  # X509_V_ERR_CERT_NOT_YET_VALID
    10: Code.CERTIFICATE_EXPIRED,  # X509_V_ERR_CERT_HAS_EXPIRED
    18: Code.CERTIFICATE_SELF_SIGNED,  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
    19: Code.CERTIFICATE_SELF_SIGNED,  # X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
    62: Code.CERTIFICATE_NAME_MISMATCH,  # X509_V_ERR_HOSTNAME_MISMATCH
    64: Code.CERTIFICATE_NAME_MISMATCH,  # X509_V_ERR_IP_ADDRESS_MISMATCH
}
"""OpenSSL's verify codes (x509_vfy.h); any other is ``CERTIFICATE_INVALID``."""

_LONGEST = 100
_NAMES = ("organizationName", "commonName")


def tls_facts(certificate: Mapping[str, Any], protocol: str) -> Facts:
    """``protocol`` (``TLSv1.3``), ``issuer`` (organisation, else common name), ``subject``, ``expires`` (an ISO date).

    ``certificate`` is as ``SSLObject.getpeercert`` gives it. What it does not have is left out; its words are cut to
    100 printable characters.
    """
    found = (
        ("protocol", protocol),
        ("issuer", _name(certificate.get("issuer", ()), *_NAMES)),
        ("subject", _name(certificate.get("subject", ()), "commonName") or _first_name(certificate)),
        ("expires", _date(certificate.get("notAfter", ""))),
    )
    return tuple((name, value) for name, value in found if value)


def _name(distinguished: tuple[tuple[tuple[str, str], ...], ...], *wanted: str) -> str:
    parts = dict(pair for relative in distinguished for pair in relative)
    return next((_shown(parts[name]) for name in wanted if _shown(parts.get(name, ""))), "")


def _first_name(certificate: Mapping[str, Any]) -> str:
    """Public authorities leave the common name out more and more (CA/Browser Forum Baseline Requirements §7.1.4.3)."""
    return next((_shown(value) for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"), "")


def _shown(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()[:_LONGEST]


def _date(text: str) -> str:
    try:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):  # "Bad time value" is what OpenSSL prints for one it cannot read
        return ""
