"""The commands around organisations, keys and the database, as a person runs them."""

import json
import time

import psutil
import pytest
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from config.secrets import generate_key
from consumer import names
from tests.command_line import CommandLine, closed_port
from tests.waiting import eventually_blocking

pytest_plugins = ("tests.fixtures_store",)

PASSWORD = "canary-pass wörd"
ACME = (
    *("organizations", "smtp", "acme", "--host", "mail.acme.example", "--port", "587", "--security", "starttls"),
    *("--username", "acme", "--sender", "notifications@acme.example", "--alias", "Acme"),
)


@pytest.fixture
def mailroom(tmp_path):
    return CommandLine(tmp_path)


def test_an_organisation_is_configured_shown_listed_and_disconnected(mailroom):
    assert "from now on (version 1)" in mailroom.run(*ACME, "--password-stdin", stdin=f"{PASSWORD}\n").stdout
    shown = mailroom.run("organizations", "show", "acme").stdout
    for text in ("mail.acme.example:587 (starttls)", "Acme <notifications@acme.example>", "not yet verified"):
        assert text in shown
    (listed,) = json.loads(mailroom.run("organizations", "list", "--json").stdout)
    assert {**listed, "last_test": None, "held_back": None} == json.loads(
        mailroom.run("organizations", "show", "acme", "--json").stdout
    )
    assert mailroom.run("organizations", "list").stdout.split("\t")[:3] == ["acme", "smtp", "mail.acme.example:587"]
    mailroom.run("organizations", "disconnect", "acme", "--yes")
    newest, oldest = mailroom.run("organizations", "history", "acme").stdout.splitlines()
    assert newest.split("\t")[1:3] == ["disconnected", "operator"]
    assert "sender_alias: - → Acme" in oldest
    assert "platform default" in mailroom.run("organizations", "show", "acme").stdout
    assert mailroom.run("organizations", "list", "--json").stdout.strip() == "[]"
    assert "no transport" in mailroom.run("organizations", "disconnect", "acme", "--yes", code=1).stderr


def test_the_json_of_an_organisation_has_everything_but_the_password(mailroom):
    mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD)
    shown = json.loads(mailroom.run("organizations", "show", "acme", "--json").stdout)
    assert shown.pop("enabled_at").endswith("+00:00")
    assert shown == {
        "organization": "acme",
        "transport": "smtp",
        "version": 1,
        "host": "mail.acme.example",
        "port": 587,
        "security": "starttls",
        "username": "acme",
        "password_set": True,
        "account": None,
        "sender": {"address": "notifications@acme.example", "alias": "Acme"},
        "status": "connected",
        "verified_at": None,
        "last_test": None,
        "held_back": None,
        "suspended_code": None,
        "suspended_at": None,
        "retry_at": None,
        "limits": {
            "preset": (usual := {"connections": 4, "per_minute": None, "per_day": None}),
            "chosen": dict.fromkeys(usual),
            "effective": usual,
            "day_unit": "mails",
        },
    }
    assert json.loads(mailroom.run("organizations", "show", "bolt", "--json").stdout) == {
        "organization": "bolt",
        "transport": None,
        "status": "not_configured",
        "last_test": None,
        "held_back": None,
    }


def test_a_blank_password_keeps_the_stored_one_for_the_same_server_only(mailroom):
    mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD)
    mailroom.run(*ACME, "--password-stdin", stdin="\n")
    mailroom.run(*ACME)
    elsewhere = [part.replace("mail.acme", "mail.thief") for part in ACME]
    assert "again" in mailroom.run(*elsewhere, code=2).stderr


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (("--host", "0x7f.1"), "host"),
        (("--port", "26"), "port"),
        (("--security", "none"), "security"),
        (("--sender", "acme"), "mailroom: --sender: "),
        (("--alias", "a\nb"), "mailroom: --alias: "),
        (("--host", "127.0.0.1"), "MAILROOM_ALLOW_NETWORKS"),
        (("--host", "[fd00::1]"), "MAILROOM_ALLOW_NETWORKS"),
    ],
)
def test_wrong_use_ends_with_code_two_and_names_the_field(mailroom, changed, field):
    assert field in mailroom.run(*ACME, *changed, "--password-stdin", stdin=PASSWORD, code=2).stderr
    assert mailroom.run("organizations", "list", "--json").stdout.strip() == "[]"


def test_an_address_on_an_allowed_network_is_taken(mailroom):
    mailroom.variables["MAILROOM_ALLOW_NETWORKS"] = "10.0.0.0/8"
    mailroom.run(*ACME, "--host", "10.1.2.3", "--password-stdin", stdin=PASSWORD)


@pytest.mark.parametrize("password", [f"{PASSWORD}\nmore\n", f"{PASSWORD}\n\n", "canary" * 1000])
def test_a_password_is_never_cut(mailroom, password):
    assert "--password-stdin: must not" in mailroom.run(*ACME, "--password-stdin", stdin=password, code=2).stderr


def test_the_line_break_behind_a_password_is_not_part_of_it(mailroom):
    mailroom.run(*ACME, "--password-stdin", stdin=f"{PASSWORD}\r\n")


def test_an_id_that_no_organisation_can_have_is_wrong_use(mailroom):
    for command in (("show", ""), ("show", "a b"), ("disconnect", "ü", "--yes")):
        assert "ORG: must be 1 to 128" in mailroom.run("organizations", *command, code=2).stderr


def test_without_a_broker_the_change_is_made_and_a_warning_given(mailroom):
    done = mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD)
    assert "replicas will notice within 2 s" in done.stderr


def test_a_change_is_announced_to_the_replicas(mailroom, vhost):
    mailroom.variables["MAILROOM_AMQP_URL"] = vhost
    with Connection(vhost) as connection:
        channel = connection.channel()
        exchange = Exchange(names.CONFIG, type="fanout", channel=channel)
        exchange.declare()
        queue = Queue("replica", exchange, exclusive=True, channel=channel)
        queue.declare()
        done = mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD)
        message = queue.get(no_ack=True)
    assert json.loads(message.body) == {"organization": "acme", "version": 1}
    assert done.stderr == ""


def test_disconnecting_asks_first_and_no_answer_means_no(mailroom):
    mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD)
    asked = mailroom.run("organizations", "disconnect", "acme", stdin="n\n", code=1)
    assert "platform's own address" in asked.stderr
    assert "--yes" in mailroom.run("organizations", "disconnect", "acme", code=1).stderr
    assert json.loads(mailroom.run("organizations", "show", "acme", "--json").stdout)["transport"] == "smtp"
    mailroom.run("organizations", "disconnect", "acme", stdin="y\n")
    assert mailroom.run("organizations", "list", "--json").stdout.strip() == "[]"


def test_the_password_is_in_no_file_and_no_process_list(mailroom, tmp_path):
    process = mailroom.start(*ACME, "--password-stdin")
    assert process.stdin is not None
    # It waits for its standard input now, or soon: what matters is what the machine shows of it until it ends.
    seen = eventually_blocking(lambda: psutil.Process(process.pid).cmdline())
    out, err = process.communicate(PASSWORD, timeout=60)
    assert process.returncode == 0, err
    mailroom.run("organizations", "show", "acme")
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for form in (PASSWORD.encode(), PASSWORD.encode("latin-1"), mailroom.variables["MAILROOM_SECRET_KEYS"].encode()):
        assert form not in content
    assert not any("canary" in part for part in seen)
    assert "canary" not in out + err
    assert (tmp_path / "mailroom.db").stat().st_mode & 0o777 == 0o600


def test_a_password_without_a_key_or_with_another_database_s_key_is_refused(mailroom):
    key = mailroom.variables.pop("MAILROOM_SECRET_KEYS")
    assert "mailroom keys generate" in mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD, code=2).stderr
    mailroom.variables["MAILROOM_SECRET_KEYS"] = key
    mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD)
    mailroom.variables["MAILROOM_SECRET_KEYS"] = generate_key()
    assert "does not open this database" in mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD, code=2).stderr


def test_keys_are_generated_and_rotated(mailroom):
    old = mailroom.variables["MAILROOM_SECRET_KEYS"]
    mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD)
    new = mailroom.run("keys", "generate").stdout.strip()
    mailroom.variables["MAILROOM_SECRET_KEYS"] = f"{new},{old}"
    assert "2 sealed anew, 0 already" in mailroom.run("keys", "rotate").stdout
    mailroom.variables["MAILROOM_SECRET_KEYS"] = new
    assert "0 sealed anew, 2 already" in mailroom.run("keys", "rotate").stdout
    mailroom.variables["MAILROOM_SECRET_KEYS"] = old
    assert "does not open this database" in mailroom.run("keys", "rotate", code=2).stderr


def test_mistakes_in_the_environment_are_told_together(mailroom):
    mailroom.variables |= {"MAILROOM_PARTITIONS": "none", "MAILROOM_DATABASE_URL": "mysql://u:canary@h/d"}
    told = mailroom.run("organizations", "list", code=2).stderr
    assert "MAILROOM_PARTITIONS" in told
    assert "MAILROOM_DATABASE_URL" in told


def test_the_database_is_upgraded_once_and_used_afterwards(mailroom, empty_url):
    mailroom.variables["MAILROOM_DATABASE_URL"] = empty_url
    assert "from nothing to schema" in mailroom.run("database", "upgrade").stdout
    assert "already had schema" in mailroom.run("database", "upgrade").stdout
    mailroom.run(*ACME, "--password-stdin", stdin=PASSWORD)
    assert "acme" in mailroom.run("organizations", "list").stdout


def test_a_postgresql_database_without_schema_is_refused_with_what_to_run(mailroom, postgres_url):
    mailroom.variables["MAILROOM_DATABASE_URL"] = postgres_url
    assert "mailroom database upgrade" in mailroom.run("organizations", "list", code=1).stderr


def test_a_database_that_is_away_is_told_in_time_and_without_its_password(mailroom):
    mailroom.variables["MAILROOM_DATABASE_URL"] = f"postgresql://u:canary@127.0.0.1:{closed_port()}/m"
    began = time.monotonic()
    assert "database" in mailroom.run("organizations", "list", code=1).stderr
    assert time.monotonic() - began < 20
