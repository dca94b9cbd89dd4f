"""``mailroom organizations connect``: an organisation's own app becomes its transport, and no secret is ever shown."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from config.testing import sqlite_url
from tests.acceptance import connected
from tests.builders import NOON
from tests.command_line import CommandLine

CLIENT_ID = "9d2b6f3e-7c1a-4d5e-8f90-1a2b3c4d5e6f"
TENANT = "acme.example"
MAILBOX = "team@acme.example"
SECRET = "canary~Secret.of-the-app"
SENDER = ("--sender", MAILBOX, "--alias", "Acme")
APP = ("--tenant", TENANT, "--client-id", CLIENT_ID)
MICROSOFT = ("organizations", "connect", "acme", "microsoft365")
GOOGLE = ("organizations", "connect", "acme", "google")


@pytest.fixture
def boxes(tls):
    with connected.running(tls) as both:
        yield both


@pytest.fixture
def mailroom(tmp_path, boxes):
    made = CommandLine(tmp_path)
    given = {f"MAILROOM_{name.upper()}": str(value) for name, value in boxes.variables.items()}
    made.variables |= given | {"MAILROOM_DATABASE_URL": sqlite_url(tmp_path)}
    return made


def certificate(folder):
    key = rsa.generate_private_key(65_537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOON.replace(year=2020), NOON.replace(year=2099))
    text = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    path = folder / "app.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + text)
    return path, text


@pytest.mark.timeout(90)
def test_an_app_at_microsoft_365_by_secret_and_by_certificate(mailroom, boxes, tmp_path):
    boxes.microsoft.add_account(MAILBOX, "Team")
    pem, public = certificate(tmp_path)
    boxes.microsoft.add_app(TENANT, CLIENT_ID, secret=SECRET, certificate=public)
    refused = mailroom.run(*MICROSOFT, *APP, *SENDER, "--secret-stdin", stdin="another secret\n", code=1).stderr
    assert "Microsoft gave no token: app_credentials AADSTS7000215. Nothing was changed." in refused

    done = mailroom.run(*MICROSOFT, *APP, *SENDER, "--secret-stdin", stdin=f"{SECRET}\n").stdout
    assert f"acme: mail leaves by Microsoft 365 as {MAILBOX} from now on (version 1)" in done, "nothing before it"
    shown = mailroom.run("organizations", "show", "acme").stdout
    assert f"account:      {MAILBOX}" in shown
    assert "by an app of its own" in shown
    assert "passed" in mailroom.run("organizations", "test", "acme", "--to", "ada@example.org").stdout
    assert [mail.recipients for mail in boxes.microsoft.mails] == [("ada@example.org",)]
    by_certificate = mailroom.run(*MICROSOFT, *APP, *SENDER, "--certificate-file", str(pem), "--way", "smtp").stdout
    assert "(version 2)" in by_certificate
    (listed,) = json.loads(mailroom.run("organizations", "list", "--json").stdout)
    assert listed["account"] == {"email": MAILBOX, "name": "", "method": "app", "way": "smtp"}
    assert (listed["transport"], listed["host"], listed["password_set"]) == ("microsoft365", None, False)
    assert "platform default" in mailroom.run("organizations", "disconnect", "acme", "--yes").stdout
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path != pem)
    assert SECRET.encode() not in written
    assert b"PRIVATE KEY" not in written


@pytest.mark.timeout(60)
def test_a_service_account_of_google_workspace_and_its_test_mail(mailroom, boxes, tmp_path):
    boxes.google.add_account(MAILBOX, "Team")
    account, key = boxes.google.add_service_account()
    (tmp_path / "key.json").write_text(key)
    options = ("--key-file", str(tmp_path / "key.json"), *SENDER)
    refused = mailroom.run(*GOOGLE, *options, code=1).stderr
    assert "Google gave no token: admin_consent_needed" in refused
    assert "PRIVATE" not in refused
    account.delegated["acme.example"] = frozenset({"https://www.googleapis.com/auth/gmail.send"})
    assert "mail leaves by Google as" in mailroom.run(*GOOGLE, *options).stdout
    assert "passed" in mailroom.run("organizations", "test", "acme", "--to", "ada@example.org").stdout
    (mail,) = boxes.google.mails
    assert (mail.sender, mail.recipients) == (MAILBOX, ("ada@example.org",))


def test_a_person_is_sent_to_the_settings_page_and_mistakes_are_told_by_option(mailroom, tmp_path):
    assert "MAILROOM_WEB_URL is not set" in mailroom.run(*MICROSOFT, code=1).stderr
    mailroom.variables["MAILROOM_WEB_URL"] = "https://mail.platform.example"
    said = mailroom.run(*MICROSOFT, code=1).stderr
    assert "on the settings page https://mail.platform.example/settings/microsoft365" in said
    mistakes = mailroom.run(
        *MICROSOFT, *SENDER, "--tenant", "common", "--client-id", "x", "--secret-stdin", code=2
    ).stderr
    for option in ("--tenant", "--client-id", "--secret-stdin"):
        assert option in mistakes
    assert "--sender" in mailroom.run(*MICROSOFT, "--tenant", TENANT, code=2).stderr
    assert "--key-file" in mailroom.run(*GOOGLE, *SENDER, "--key-file", str(tmp_path / "none.json"), code=2).stderr


@pytest.mark.timeout(60)
def test_doctor_looks_at_the_platforms_own_apps(mailroom, boxes):
    # There is no broker here, which is a finding of its own.
    def findings():
        checks = json.loads(mailroom.run("doctor", "--json", code=1).stdout)
        return {check["name"]: check for check in checks if "app" in check["name"]}

    fine = findings()
    assert {check["ok"] for check in fine.values()} == {True}, fine
    assert len(fine) == 8
    boxes.microsoft.expire_secret()
    boxes.google.expire_secret()
    found = findings()
    for name in ("microsoft 365 app: sign-in", "google app: sign-in"):
        assert found[name]["ok"] is False
        assert "platform_credentials" in found[name]["found"]
    for secret in boxes.secrets:
        assert secret not in json.dumps(found)
