"""Where browsers reach the settings page: what may be written, and what it becomes."""

import pytest

from config.errors import ConfigurationError
from config.process import Settings
from config.urls import web_url
from tests.unit.test_platform_key import ED25519, SECRET, pem, private


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://mail.platform.example", "https://mail.platform.example"),
        (" https://Mail.Platform.example/ ", "https://mail.platform.example"),
        ("https://mail.platform.example:443", "https://mail.platform.example"),
        ("https://mail.platform.example:8443/", "https://mail.platform.example:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://192.0.2.7", "https://192.0.2.7"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_it_is_scheme_host_and_port(text, url):
    assert web_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "mail.platform.example",
        "ftp://mail.platform.example",
        "http://mail.platform.example",
        "http://localhost.evil.example",
        "https://",
        "https://user@mail.platform.example",
        "https://user:secret@mail.platform.example",
        "https://mail.platform.example/settings",
        "https://mail.platform.example/?a=secret",
        "https://mail.platform.example#secret",
        "https://mail.platform.example:99999",
        "https://mail.platform example",
        "https://-.example",
    ],
)
def test_anything_else_is_refused_without_being_repeated(text):
    with pytest.raises(ValueError, match=r"^(is|has|does|begins|cannot) ") as refused:
        web_url(text)
    assert "secret" not in str(refused.value)


def test_the_settings_are_read_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MAILROOM_WEB_URL", "https://mail.platform.example/")
    monkeypatch.setenv("MAILROOM_WEB_TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8")
    monkeypatch.setenv("MAILROOM_PLATFORM_KEY", pem(ED25519))
    settings = Settings.load(env_file=tmp_path / ".env")
    assert settings.web_url == "https://mail.platform.example"
    assert [str(network) for network in settings.web_trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert settings.platform_key is not None
    assert settings.platform_key.reveal() == pem(ED25519)


def test_the_key_may_stand_on_one_line_of_the_file(tmp_path):
    one_line = pem(ED25519).replace("\n", "\\n")
    for line in (one_line, f'"{one_line}"', f"'{one_line}'"):
        (tmp_path / ".env").write_text(f"MAILROOM_PLATFORM_KEY={line}\n")
        assert Settings.load(env_file=tmp_path / ".env").platform_key is not None


def test_a_secret_never_shows_and_a_wrong_key_is_refused_without_being_repeated(tmp_path, monkeypatch):
    monkeypatch.setenv("MAILROOM_PLATFORM_KEY", SECRET)
    assert SECRET not in repr(Settings.load(env_file=tmp_path / ".env"))
    monkeypatch.setenv("MAILROOM_PLATFORM_KEY", private(ED25519))
    with pytest.raises(ConfigurationError) as refused:
        Settings.load(env_file=tmp_path / ".env")
    (problem,) = refused.value.problems
    assert problem.startswith("MAILROOM_PLATFORM_KEY: is a private key")
    assert private(ED25519).splitlines()[1] not in problem
