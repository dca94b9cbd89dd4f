"""A certificate for a stand-in, from an authority that nobody else trusts."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import trustme

from deploy.local.ports import LOOPBACK

HOST = "localhost"


def certified(folder: Path, names: Sequence[str] = ()) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a fresh certificate, and the file of the authority that issued it."""
    authority = trustme.CA(organization_name="Mailroom sandbox")
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(HOST, LOOPBACK, *names).configure_cert(context)
    return context, ca_file
