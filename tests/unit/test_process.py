"""The settings of the process: read once, all mistakes at once, no value shown."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from config.errors import ConfigurationError
from config.process import Settings
from config.secrets import generate_key
from transports.message import Mailbox
from transports.smtp.settings import Security

NOWHERE = Path("there is no such file")


@pytest.fixture
def load(monkeypatch):
    """Loads settings from exactly these variables."""

    def loaded(env_file=NOWHERE, **variables):
        with monkeypatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            return Settings.load(env_file=env_file)

    return loaded


def test_nothing_has_to_be_set(load):
    found = load()
    assert (found.partitions, found.send_deadline, found.metrics_port) == (32, 90.0, 9464)
    assert found.amqp_url == ("amqp://guest:guest@127.0.0.1:5672/",)
    assert found.database_url == "sqlite+aiosqlite:///mailroom.db"
    assert found.retry_schedule == (15, 60, 300, 900, 3600)
    assert found.ehlo_name == "mailroom.localdomain"
    assert found.secret_keys == ()
    assert found.default_smtp_url is None
    assert (found.default_smtp_per_minute, found.default_smtp_per_day) == (None, None)
    assert found.hold_unknown == {"rights_request"}


def test_every_variable_of_the_documented_interface_is_understood(load, tmp_path):
    first, second = generate_key(), generate_key()
    found = load(
        MAILROOM_AMQP_URL="amqp://a:b@one/, amqps://c:d@two:5671/mail",
        MAILROOM_DATABASE_URL="postgresql://m:s@db/mailroom",
        MAILROOM_SECRET_KEYS=f"{first}, {second}",
        MAILROOM_DEFAULT_SMTP_URL="smtp://user:p%40ss@mail.example.org:465?security=tls",
        MAILROOM_DEFAULT_SENDER="Example, Inc. <no-reply@bücher.example>",
        MAILROOM_PARTITIONS="16",
        MAILROOM_PREFETCH="4",
        MAILROOM_SEND_DEADLINE="60",
        MAILROOM_METRICS_PORT="0",
        MAILROOM_DRAIN_SECONDS="12.5",
        MAILROOM_REPLICA_ID="pod-0",
        MAILROOM_ALLOW_NETWORKS="10.1.0.0/16, fd00::/8",
        MAILROOM_SMTP_PORTS="587,2525",
        MAILROOM_RETRY_SCHEDULE="1,2.5",
        MAILROOM_LOG_LEVEL="DEBUG",
        MAILROOM_LOG_FORMAT="Console",
        MAILROOM_NOTIFY_EVENTS="yes",
        MAILROOM_HOLD_UNKNOWN="Audit, rights_request",
        MAILROOM_DEFAULT_SMTP_PER_MINUTE="600",
        MAILROOM_DEFAULT_SMTP_PER_DAY="50000",
    )
    assert found.amqp_url == ("amqp://a:b@one/", "amqps://c:d@two:5671/mail")
    assert found.database_url == "postgresql+psycopg://m:s@db/mailroom"
    assert [key.reveal() for key in found.secret_keys] == [first, second]
    assert found.default_smtp_url is not None
    assert found.default_smtp_url.security is Security.TLS
    assert found.default_smtp_url.password is not None
    assert found.default_smtp_url.password.reveal() == "p@ss"
    assert found.default_sender == Mailbox("no-reply@bücher.example", "Example, Inc.")
    assert found.ehlo_name == "xn--bcher-kva.example"
    assert (found.partitions, found.prefetch, found.send_deadline, found.drain_seconds) == (16, 4, 60.0, 12.5)
    assert (found.metrics_port, found.replica_id) == (0, "pod-0")
    assert [str(network) for network in found.allow_networks] == ["10.1.0.0/16", "fd00::/8"]
    assert found.smtp_ports == (587, 2525)
    assert found.retry_schedule == (1, 2.5)
    assert (found.log_level, found.log_format, found.notify_events) == ("debug", "console", True)
    assert found.hold_unknown == {"audit", "rights_request"}
    assert (found.default_smtp_per_minute, found.default_smtp_per_day) == (600, 50_000)
    assert found.unknown_variables == ()


MISTAKES = {
    "MAILROOM_AMQP_URL": "http://u:canary@host/",
    "MAILROOM_DATABASE_URL": "mysql://u:canary@host/db",
    "MAILROOM_SECRET_KEYS": "canary",
    "MAILROOM_DEFAULT_SMTP_URL": "smtp://u:can#ary@host:25",
    "MAILROOM_DEFAULT_SENDER": "canary",
    "MAILROOM_EHLO_NAME": "-canary-",
    "MAILROOM_PARTITIONS": "101",
    "MAILROOM_PREFETCH": "many",
    "MAILROOM_SEND_DEADLINE": "nan",
    "MAILROOM_DRAIN_SECONDS": "-1",
    "MAILROOM_RETRY_SCHEDULE": "15,canary",
    "MAILROOM_SMTP_PORTS": "587,70000",
    "MAILROOM_METRICS_PORT": "99999",
    "MAILROOM_METRICS_HOST": "can ary",
    "MAILROOM_ALLOW_NETWORKS": "10.0.0.1/8",
    "MAILROOM_TLS_CA_FILE": "/no/such/canary.pem",
    "MAILROOM_REPLICA_ID": "can ary",
    "MAILROOM_LOG_LEVEL": "canary",
    "MAILROOM_LOG_FORMAT": "canary",
    "MAILROOM_NOTIFY_EVENTS": "canary",
    "MAILROOM_HOLD_UNKNOWN": "rights_request,canary",
    "MAILROOM_DEFAULT_SMTP_PER_MINUTE": "0",
    "MAILROOM_DEFAULT_SMTP_PER_DAY": "10000001",
}


def test_all_mistakes_are_told_at_once_each_with_its_variable_and_what_to_write(load):
    with pytest.raises(ConfigurationError) as caught:
        load(**MISTAKES)
    problems = caught.value.problems
    assert sorted(problem.split(":")[0] for problem in problems) == sorted(MISTAKES)
    assert all(". Write " in problem for problem in problems)
    assert len(str(caught.value).splitlines()) == len(MISTAKES)


def test_a_mistake_is_told_without_the_value_and_without_a_cause_that_has_it(load):
    with pytest.raises(ConfigurationError) as caught:
        load(**MISTAKES)
    assert "canary" not in str(caught.value)
    assert "ary" not in str(caught.value).replace("binary", "")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", ["MAILROOM_AMQP_URL", "MAILROOM_DEFAULT_SMTP_URL", "MAILROOM_DATABASE_URL"])
def test_no_url_whatever_is_a_crash_or_gives_its_password_away(load, name, value):
    password = f"canary{value}canary"
    for url in (value, f"smtp://u:{password}@h", f"amqp://u:{password}@h", f"postgresql://u:{password}@h/d"):
        try:
            found = load(**{name: url, "MAILROOM_DEFAULT_SENDER": "a@b.example"})
        except ConfigurationError as error:
            assert "canary" not in str(error)  # noqa: PT017 - either outcome is right
        else:
            assert "canary" not in repr(found)


def test_a_default_server_needs_a_default_sender_and_other_mistakes_are_still_told(load):
    with pytest.raises(ConfigurationError) as caught:
        load(MAILROOM_DEFAULT_SMTP_URL="smtp://", MAILROOM_PARTITIONS="0")
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "MAILROOM_DEFAULT_SMTP_URL",
        "MAILROOM_PARTITIONS",
        "MAILROOM_DEFAULT_SENDER",
    ]


def test_an_empty_value_counts_as_not_given(load):
    assert load(MAILROOM_PARTITIONS="", MAILROOM_DEFAULT_SMTP_URL="").partitions == 32


def test_a_variable_that_means_nothing_is_named_and_does_no_harm(load, tmp_path):
    (tmp_path / ".env").write_text("MAILROOM_PARTITON=3\nOTHER=4\n")
    found = load(tmp_path / ".env", MAILROOM_PREFETHC="3")
    assert found.unknown_variables == ("MAILROOM_PARTITON", "MAILROOM_PREFETHC")


def test_the_env_file_is_read_and_the_environment_wins(load, tmp_path):
    (tmp_path / ".env").write_text("MAILROOM_PARTITIONS=8\nMAILROOM_PREFETCH=2\n")
    found = load(tmp_path / ".env", MAILROOM_PREFETCH="3")
    assert (found.partitions, found.prefetch) == (8, 3)


def test_an_env_file_that_is_not_text_is_a_mistake_in_plain_words(load, tmp_path):
    (tmp_path / ".env").write_bytes(b"MAILROOM_PARTITIONS=\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / ".env")


def test_settings_are_frozen_and_made_by_hand_without_looking_at_the_environment(monkeypatch):
    monkeypatch.setenv("MAILROOM_PARTITIONS", "7")
    found = Settings(prefetch=2)
    assert found.partitions == 32
    with pytest.raises(ValidationError):
        found.partitions = 3  # type: ignore[misc]  # what is tested


def test_no_password_is_in_the_representation(load):
    found = load(
        MAILROOM_AMQP_URL="amqp://u:canary@h/",
        MAILROOM_DATABASE_URL="postgresql://u:canary@h/d",
        MAILROOM_SECRET_KEYS=(key := generate_key()),
        MAILROOM_DEFAULT_SMTP_URL="smtp://u:canary@h",
        MAILROOM_DEFAULT_SENDER="a@b.example",
    )
    for shown in (repr(found), str(found), repr(found.default_smtp_url), f"{found.secret_keys}"):
        assert "canary" not in shown
        assert key not in shown


def test_every_replica_gets_a_name_of_its_own(load):
    assert load().replica_id != load().replica_id


def test_the_ca_file_must_have_certificates(load, tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match="PEM"):
        load(MAILROOM_TLS_CA_FILE=str(tmp_path / "ca.pem"))


def test_every_field_says_what_to_write():
    assert all(field.description for field in Settings.model_fields.values())
