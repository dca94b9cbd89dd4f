"""URLs of the settings: what they mean, and that they are never shown with their password."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.urls import DefaultSmtp, amqp_urls, database_url, default_smtp, redact_url
from transports.smtp.settings import Security

PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)


@given(username=PRINTABLE, password=PRINTABLE)
def test_any_user_name_and_password_survive_percent_encoding(username, password):
    found = default_smtp(f"smtp://{quote(username, safe='')}:{quote(password, safe='')}@mail.example.org")
    assert found.username == username
    assert found.password is not None
    assert found.password.reveal() == password


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 587, Security.STARTTLS)),
        ("smtp://mail.example.org:465", ("mail.example.org", 465, Security.TLS)),
        ("smtp://mail.example.org:587/", ("mail.example.org", 587, Security.STARTTLS)),
        ("smtp://mail.example.org:2525", ("mail.example.org", 2525, Security.STARTTLS)),
        ("smtp://mail.example.org?security=tls", ("mail.example.org", 465, Security.TLS)),
        ("smtp://relay:25?security=none", ("relay", 25, Security.NONE)),
        ("smtp://relay?security=NONE", ("relay", 25, Security.NONE)),
        ("smtp://[2001:DB8::1]:587", ("2001:db8::1", 587, Security.STARTTLS)),
        ("smtp://192.0.2.7", ("192.0.2.7", 587, Security.STARTTLS)),
        ("smtp://Bücher.example", ("xn--bcher-kva.example", 587, Security.STARTTLS)),
    ],
)
def test_port_and_security_follow_from_each_other(url, expected):
    assert default_smtp(url) == DefaultSmtp(*expected)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org",
        "smtps://mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://:25",
        "smtp://user@mail.example.org",
        "smtp://:password@mail.example.org",
        "smtp://user:pass/word@mail.example.org",
        "smtp://user:pass#word@mail.example.org",
        "smtp://user:pass?word@mail.example.org",
        "smtp://user:p@ss@mail.example.org",
        "smtp://user:100%@mail.example.org",
        "smtp://user:%ff@mail.example.org",
        "smtp://user:a%0d%0ab@mail.example.org",
        "smtp://user:a b@mail.example.org",
        "smtp://mail.example.org:0",
        "smtp://mail.example.org:99999",
        "smtp://mail.example.org:smtp",
        "smtp://mail.example.org?security=maybe",
        "smtp://mail.example.org?tls=1",
        "smtp://mail.example.org?security=tls&security=none",
        "smtp://mail.example.org/path",
        "smtp://0x7f.1",
        "smtp://2130706433",
        "smtp://[2001:db8::1",
        "smtp://exa\nmple.org",
    ],
)
def test_a_doubtful_default_server_is_refused_without_repeating_it(url):
    with pytest.raises(ValueError, match=r"\w+ \w+") as caught:
        default_smtp(url)
    assert "ss@" not in str(caught.value)
    assert "word" not in str(caught.value).replace("password", "")


@given(
    scheme=st.sampled_from(["amqp", "amqps", "smtp", "postgresql+psycopg"]),
    user=PRINTABLE.map(lambda text: quote(text, safe="")),
    password=st.text(max_size=30).map(lambda text: f"canary{text}canary"),
)
def test_a_redacted_url_has_no_password_however_badly_it_is_written(scheme, user, password):
    shown = redact_url(f"{scheme}://{user}:{password}@host:1234/path?password=canary#canary")
    assert "canary" not in shown
    assert shown == f"{scheme}://{user}:***@host:1234/path"


@given(st.text())
def test_redacting_never_fails(text):
    assert isinstance(redact_url(text), str)
    assert isinstance(redact_url(f"amqp://{text}"), str)


def test_a_password_in_the_place_of_a_port_is_not_shown():
    assert redact_url("smtp://user:canary") == "smtp://***"
    assert redact_url("canary") == "***"


def test_a_list_of_brokers_keeps_its_order():
    assert amqp_urls("amqps://b/x, amqp://u:p@a:5673") == ("amqps://b/x", "amqp://u:p@a:5673")


@pytest.mark.parametrize(
    "text", ["", " , ", "http://a", "amqp://", "amqp://a/b/c", "amqp://a,amqp//b", "amqp://a:p@ss@b"]
)
def test_a_broken_list_of_brokers_is_refused(text):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        amqp_urls(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("localhost:5672", "a scheme such as amqp://"),
        ("amqp://a/?heartbeat=abc", "has a query"),
        ("amqp://a,amqp://b/x?ssl=1", "URL 2 of 2 has a query"),
    ],
)
def test_what_is_wrong_with_a_broker_is_said_in_its_terms(text, said):
    with pytest.raises(ValueError, match=said):
        amqp_urls(text)


def test_the_broken_one_of_several_brokers_is_named_by_its_place():
    with pytest.raises(ValueError, match="URL 2 of 2"):
        amqp_urls("amqp://a,amqp://")


def test_usual_names_of_databases_get_their_driver():
    assert database_url("postgres://u:p@h/d") == "postgresql+psycopg://u:p@h/d"
    assert database_url("sqlite:////var/lib/m.db") == "sqlite+aiosqlite:////var/lib/m.db"


@pytest.mark.parametrize(
    "url", ["", "m.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:x?mode=memory", "mysql://h/d"]
)
def test_a_database_that_replicas_could_not_share_is_refused(url):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        database_url(url)
