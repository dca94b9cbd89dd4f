"""Certificates for tests: one authority, one good certificate and one of each kind that must be refused."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.local.node_files import ServerTls


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's PEM files: ``certificate`` is the chain, leaf first."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """A context for a server that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class TestCertificates:
    """All of them; only ``server`` (for ``localhost`` and ``127.0.0.1``) passes verification with ``ca_file``."""

    __test__ = False

    ca_file: Path
    server: Certificate
    expired: Certificate
    wrong_name: Certificate
    self_signed: Certificate
    unknown_ca: Certificate

    def client_context(self) -> ssl.SSLContext:
        """What a client needs to trust ``server``, and only that."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def for_broker(self) -> ServerTls:
        """The good certificate for a private RabbitMQ node."""
        return ServerTls(self.server.certificate, self.server.key, self.ca_file)


def _leaf(authority: trustme.CA, folder: Path, *names: str, until: datetime | None = None) -> Certificate:
    started = until - timedelta(days=30) if until else None
    leaf = authority.issue_cert(*names, not_before=started, not_after=until)
    return _write(folder, b"".join(part.bytes() for part in leaf.cert_chain_pems), leaf.private_key_pem.bytes())


def _write(folder: Path, chain: bytes, key: bytes) -> Certificate:
    folder.mkdir()
    found = Certificate(folder / "certificate.pem", folder / "key.pem")
    found.certificate.write_bytes(chain)
    found.key.touch(mode=0o600)
    found.key.write_bytes(key)
    return found


def _self_signed(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _write(
        folder,
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TestCertificates:
    """Certificates of one authority that is trusted by nobody else, made anew for each session."""
    return made_in(tmp_path_factory.mktemp("tls"))


def made_in(folder: Path) -> TestCertificates:
    """The same in a folder, for measurements."""
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    names = ("localhost", "127.0.0.1")
    return TestCertificates(
        ca_file=ca_file,
        server=_leaf(authority, folder / "server", *names),
        expired=_leaf(authority, folder / "expired", *names, until=datetime.now(UTC) - timedelta(days=1)),
        wrong_name=_leaf(authority, folder / "wrong-name", "mail.example.net"),
        self_signed=_self_signed(folder / "self-signed"),
        unknown_ca=_leaf(trustme.CA(), folder / "unknown", *names),
    )
