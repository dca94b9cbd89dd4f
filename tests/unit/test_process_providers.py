"""The settings for Microsoft 365 and Google: what may be written, and that no mistake repeats a value."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from config.errors import ConfigurationError
from config.key_pair import check
from config.process import Settings
from tests.builders import NOON
from transports.http import PER_HOST

PREFIX = "MAILROOM_"
MICROSOFT = {"MICROSOFT_CLIENT_ID": "client", "MICROSOFT_CLIENT_SECRET": "canary"}
GOOGLE = {"GOOGLE_CLIENT_ID": "client.apps", "GOOGLE_CLIENT_SECRET": "canary"}
UNTIL = NOON + timedelta(days=30)


@pytest.fixture
def load(monkeypatch, tmp_path):
    def loaded(**variables):
        with monkeypatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(PREFIX + name, value)
            return Settings.load(env_file=tmp_path / "none")

    return loaded


@pytest.fixture
def problems(load):
    def found(**variables):
        with pytest.raises(ConfigurationError) as caught:
            load(**variables)
        assert "canary" not in str(caught.value)
        assert caught.value.__context__ is None
        return [problem.removeprefix(PREFIX) for problem in caught.value.problems]

    return found


@pytest.fixture(scope="module")
def keys():
    return [rsa.generate_private_key(65_537, 2048) for _ in range(2)]


def key_text(key, encryption=NoEncryption()):  # noqa: B008 - has no state
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def certificate_text(key):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOON, UNTIL).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


def test_nothing_is_needed_and_everything_has_the_public_addresses(load):
    found = load()
    assert (found.microsoft_client_id, found.google_client_id) == (None, None)
    assert found.microsoft_authority == "https://login.microsoftonline.com/organizations"
    assert (found.graph_url, found.gmail_url) == ("https://graph.microsoft.com", "https://gmail.googleapis.com")
    assert (found.microsoft_smtp, found.gmail_smtp) == ("smtp.office365.com:587", "smtp.gmail.com:465")
    assert found.microsoft_max_requests == PER_HOST


def test_what_is_given_is_kept_in_one_form(load, tmp_path):
    found = load(
        **MICROSOFT,
        **GOOGLE,
        MICROSOFT_AUTHORITY="https://Login.Example:443/organizations/",
        GRAPH_URL="https://graph.example:8443/",
        MICROSOFT_MAX_REQUESTS="4",
        MICROSOFT_SMTP="[2001:DB8::1]:587",
        GOOGLE_TOKEN_URL="https://oauth.example/token",
    )
    assert found.microsoft_authority == "https://login.example/organizations"
    assert found.graph_url == "https://graph.example:8443"
    assert found.microsoft_max_requests == 4
    assert found.microsoft_smtp == "[2001:db8::1]:587"
    assert found.google_token_url == "https://oauth.example/token"
    assert found.microsoft_client_secret is not None
    assert found.microsoft_client_secret.reveal() == "canary"
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRAPH_URL", "http://canary.example"),
        ("GRAPH_URL", "https://canary.example/v1.0"),
        ("GRAPH_URL", "https://user:canary@graph.example"),
        ("GRAPH_URL", "https://graph.example?canary=1"),
        ("GRAPH_URL", "https://graph.example:0"),
        ("GMAIL_URL", "canary"),
        ("MICROSOFT_AUTHORITY", "https://login.example"),
        ("MICROSOFT_AUTHORITY", "https://login.example/a/canary"),
        ("GOOGLE_TOKEN_URL", "https://oauth.example/"),
        ("GOOGLE_AUTH_URL", "https://oauth.example/auth?canary"),
        ("GOOGLE_REVOKE_URL", "https:///canary"),
        ("MICROSOFT_MAX_REQUESTS", "0"),
        ("MICROSOFT_MAX_REQUESTS", "301"),
        ("MICROSOFT_SMTP", "canary"),
        ("MICROSOFT_SMTP", "canary:0"),
        ("GMAIL_SMTP", "canary:65536"),
        ("GMAIL_SMTP", "2001:db8::1:465"),
        ("GMAIL_SMTP", "smtp.example:²"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(problems, name, value):
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"{name}: ")
    assert ". Write " in problem


def test_all_mistakes_are_told_at_once(problems):
    said = problems(
        MICROSOFT_CLIENT_ID="can ary",
        MICROSOFT_CLIENT_SECRET="canary\x01",
        GRAPH_URL="canary",
        GOOGLE_CLIENT_SECRET="canary",
        PARTITIONS="canary",
    )
    names = ["MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET", "GRAPH_URL", "PARTITIONS", "GOOGLE_CLIENT_ID"]
    assert [problem.split(":")[0] for problem in said] == names


@pytest.mark.parametrize(
    ("given", "named", "sentence"),
    [
        (("MICROSOFT_CLIENT_ID",), "MICROSOFT_CERTIFICATE_FILE", "is needed with MAILROOM_MICROSOFT_CLIENT_ID"),
        (("MICROSOFT_CLIENT_SECRET",), "MICROSOFT_CLIENT_ID", "is needed with MAILROOM_MICROSOFT_CLIENT_SECRET"),
        (("GOOGLE_CLIENT_ID",), "GOOGLE_CLIENT_SECRET", "is needed with MAILROOM_GOOGLE_CLIENT_ID"),
        (("GOOGLE_CLIENT_SECRET",), "GOOGLE_CLIENT_ID", "is needed with MAILROOM_GOOGLE_CLIENT_SECRET"),
    ],
)
def test_half_of_an_apps_credentials_is_one_clear_sentence(problems, given, named, sentence):
    values = MICROSOFT | GOOGLE
    (problem,) = problems(**{name: values[name] for name in given})
    assert problem.startswith(f"{named}: {sentence}")


def test_a_certificate_serves_instead_of_a_secret_and_not_beside_it(load, problems, tmp_path, keys):
    file = tmp_path / "app.pem"
    file.write_bytes(key_text(keys[0]) + certificate_text(keys[0]))
    found = load(MICROSOFT_CLIENT_ID="client", MICROSOFT_CERTIFICATE_FILE=str(file))
    assert found.microsoft_certificate_file == file
    assert check(file) == UNTIL
    (problem,) = problems(**MICROSOFT, MICROSOFT_CERTIFICATE_FILE=str(file))
    assert problem.startswith("MICROSOFT_CLIENT_SECRET: is given beside MAILROOM_MICROSOFT_CERTIFICATE_FILE")


def test_a_file_that_is_no_key_with_its_certificate_is_refused_and_none_of_it_shown(problems, tmp_path, keys):
    one, other = keys
    curve = ec.generate_private_key(ec.SECP256R1())
    bad = {
        "is not a file that can be read": None,
        "no private key": b"canary",
        "is encrypted": key_text(one, BestAvailableEncryption(b"canary")) + certificate_text(one),
        "is not RSA": key_text(curve) + certificate_text(curve),
        "has no certificate": key_text(one),
        "do not belong together": key_text(one) + certificate_text(other),
    }
    for said, content in bad.items():
        file = tmp_path / "canary.pem"
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        found = problems(MICROSOFT_CLIENT_ID="client", MICROSOFT_CERTIFICATE_FILE=str(file))
        assert [problem.split(":")[0] for problem in found] == ["MICROSOFT_CERTIFICATE_FILE"]
        assert said in found[0], found
