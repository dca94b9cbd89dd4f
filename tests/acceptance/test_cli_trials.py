"""``mailroom organizations test`` as an operator runs it: against a real server, stage by stage, with advice."""

import json

import pytest

from tests.command_line import CommandLine
from tests.trying import PASSWORD, USER, server_with

ADDRESS = "jo@example.org"


@pytest.fixture
def mailroom(tmp_path, tls):
    line = CommandLine(tmp_path)
    line.variables |= {"MAILROOM_ALLOW_NETWORKS": "127.0.0.0/8,::1/128", "MAILROOM_TLS_CA_FILE": str(tls.ca_file)}
    return line


def configure(mailroom, server, password=PASSWORD):
    mailroom.variables["MAILROOM_SMTP_PORTS"] = str(server.port)
    mailroom.run(
        *("organizations", "smtp", "acme", "--host", "localhost", "--port", str(server.port), "--username", USER),
        *("--sender", "notifications@acme.example", "--alias", "Acme", "--password-stdin"),
        stdin=password,
    )


def test_settings_that_work_pass_every_stage_and_send_one_mail(mailroom, tls):
    with server_with(tls) as server:
        configure(mailroom, server)
        done = mailroom.run("organizations", "test", "acme", "--to", f"Jo <{ADDRESS}>", "--language", "fr")
    *shown, verdict = [line.split()[:2] for line in done.stdout.splitlines()]
    stages = ("address", "connect", "tls", "sign_in", "sender", "test_mail")
    assert shown == [["ok", stage] for stage in stages]
    assert verdict[0] == "passed:"
    assert done.stderr == ""
    (mail,) = server.mails
    assert mail.recipients == (ADDRESS,)
    assert b"Content-Language: fr" in mail.content
    assert "last test:    passed (active settings" in mailroom.run("organizations", "show", "acme").stdout
    table = mailroom.on_terminal("organizations", "list")
    for cell in ("organisation", "verified", "acme", f"localhost:{server.port}", "not yet"):
        assert cell in table


def test_a_failure_ends_with_code_one_and_says_what_to_do(mailroom, tls):
    with server_with(tls) as server:
        configure(mailroom, server, "canary wrong")
        arguments = ("organizations", "test", "acme", "--to", ADDRESS)
        told = mailroom.run(*arguments, code=1)
        assert "fail sign_in" in told.stdout
        assert "sign_in_refused 535 5.7.8" in told.stdout
        assert "→ Enter both again" in told.stdout
        result = json.loads(mailroom.run(*arguments, "--json", "--language", "fr", code=1).stdout)
        assert server.mails == []
    assert (result["state"], result["subject"], result["version"]) == ("failed", "active", 1)
    failed = result["stages"][-1]
    assert (failed["name"], failed["code"], failed["detail"]) == ("sign_in", "sign_in_refused", "535 5.7.8")
    assert "Saisissez" in failed["advice"]["next_step"]
    assert [stage["advice"] for stage in result["stages"][:-1]] == [None] * 3
    assert ADDRESS not in told.stdout + told.stderr + json.dumps(result)
    content = b"".join(path.read_bytes() for path in mailroom.folder.rglob("*") if path.is_file())
    assert ADDRESS.encode() not in content


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("acme", "--to", "nobody"), 2, "--to"),
        (("acme", "--to", ADDRESS, "--language", "de"), 2, "en or fr"),
        (("a b", "--to", ADDRESS), 2, "ORG: must be"),
        (("acme", "--to", ADDRESS), 1, "no transport"),
    ],
)
def test_wrong_use_and_an_unknown_organisation_are_told_in_a_sentence(mailroom, arguments, code, said):
    assert said in mailroom.run("organizations", "test", *arguments, code=code).stderr
