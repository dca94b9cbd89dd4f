"""``mailroom doctor``: what it finds, what it advises, and that it writes nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from config import store_migrations
from config.process import Settings
from config.secrets import Secret, SecretBox, generate_key
from config.store import Store
from config.store_keyring import check_keyring, open_keyring
from config.testing import KEY, sqlite_url
from consumer import doctor
from consumer.topology import BrokerUnavailable, Difference, Report
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.command_line import closed_port

FINE = Report((), bindings_verified=True, arguments_verified=True, partitions=32)


class Broker(dict):
    """Reports by number of partitions; with a number that has none it cannot be reached."""

    def look(self, _urls, partitions, **_options):
        if partitions not in self:
            raise BrokerUnavailable("away")
        return self[partitions]


@pytest.fixture
def broker():
    return Broker({32: FINE})


async def findings(broker, name, **settings):
    checks = [check async for check in doctor.examine(Settings(**settings), look_at_broker=broker.look)]
    return [(check.ok, check.found, check.advice) for check in checks if check.name == name]


@pytest.fixture
def url(tmp_path):
    return sqlite_url(tmp_path)


async def test_a_database_that_is_not_there_yet_is_not_made(broker, tmp_path, url):
    ((ok, found, _),) = await findings(broker, "database", database_url=url, secret_keys=(KEY,))
    assert (ok, found) == (None, f"SQLite file {tmp_path}/mailroom.db does not exist yet; `mailroom run` makes it")
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_not_there_is_a_failure(broker, tmp_path):
    ((ok, found, advice),) = await findings(broker, "database", database_url=sqlite_url(tmp_path / "missing"))
    assert ok is False
    assert "missing/mailroom.db" in found
    assert "upgrade" not in advice


async def test_a_file_that_cannot_be_looked_at_is_a_failure_and_not_a_crash(broker, tmp_path):
    (tmp_path / "mailroom.db").mkdir()
    ((ok, found, _),) = await findings(broker, "database", database_url=sqlite_url(tmp_path))
    assert (ok, found) == (False, f"SQLite file {tmp_path}/mailroom.db: cannot be opened: Is a directory")
    long = f"sqlite+aiosqlite:///{tmp_path}/{'x' * 300}"
    assert [check[0] for check in await findings(broker, "database", database_url=long)] == [False]


async def test_an_empty_file_stays_empty(broker, tmp_path, url):
    (tmp_path / "mailroom.db").touch()
    ((ok, found, _),) = await findings(broker, "database", database_url=url)
    assert ok is None
    assert "`mailroom run` upgrades it" in found
    assert (tmp_path / "mailroom.db").read_bytes() == b""


async def test_an_upgrade_is_advised_only_for_a_schema(broker, postgres_url):
    ((ok, found, advice),) = await findings(broker, "database", database_url=postgres_url)
    assert (ok, advice) == (False, "")
    assert "run `mailroom database upgrade`" in found
    away = "postgresql+psycopg://u:p@127.0.0.1:1/x"
    ((ok, found, advice),) = await findings(broker, "database", database_url=away)
    assert (ok, found) == (False, "PostgreSQL at 127.0.0.1:1, database x: cannot be reached")
    assert "MAILROOM_DATABASE_URL" in advice
    assert "upgrade" not in advice


async def test_a_key_is_compared_and_never_tied(broker, url):
    store_migrations.upgrade(url)
    ((ok, found, _),) = await findings(broker, "secret key", database_url=url, secret_keys=(KEY,))
    assert ok is None
    assert "no key is tied" in found
    store = await Store.open(url)
    assert not await check_keyring(store, SecretBox([KEY]))
    await open_keyring(store, SecretBox([KEY]))
    await store.close()
    ((ok, _, _),) = await findings(broker, "secret key", database_url=url, secret_keys=(KEY,))
    assert ok is True
    other = Secret(generate_key())
    ((ok, found, _),) = await findings(broker, "secret key", database_url=url, secret_keys=(other,))
    assert ok is False
    assert "does not open this database" in found
    assert [check[0] for check in await findings(broker, "clock", database_url=url)] == [True]


async def test_no_key_is_a_failure_also_without_a_database(broker, url):
    ((ok, _, advice),) = await findings(broker, "secret key", database_url=url)
    assert ok is False
    assert "`mailroom keys generate`" in advice


async def test_another_number_of_partitions_is_the_one_finding(broker, url):
    follow_on = tuple(Difference("queue", f"mailroom.work.{number}", "is missing") for number in range(32, 64))
    broker[64] = Report(follow_on, bindings_verified=False, arguments_verified=True, partitions=32)
    ((ok, found, advice),) = await findings(broker, "topology", database_url=url, partitions=64)
    assert (ok, found) == (False, "the broker has 32 partitions and MAILROOM_PARTITIONS is 64")
    assert advice == "give MAILROOM_PARTITIONS the number that is there"
    missing = Difference("exchange", "mailroom.sort", "is missing")
    broker[32] = Report((missing,), bindings_verified=False, arguments_verified=True, partitions=32)
    assert [check[1] for check in await findings(broker, "topology", database_url=url, partitions=64)] == [
        "the broker has 32 partitions and MAILROOM_PARTITIONS is 64",
        "exchange mailroom.sort is missing",
    ]


@pytest.mark.parametrize(
    ("bindings", "arguments", "ending"),
    [
        (True, True, ""),
        (False, True, "; bindings were not compared"),
        (False, False, "; arguments and bindings were not compared"),
    ],
)
async def test_what_was_not_compared_is_said(broker, url, bindings, arguments, ending):
    broker[32] = Report((), bindings_verified=bindings, arguments_verified=arguments, partitions=32)
    ((ok, found, _),) = await findings(broker, "topology", database_url=url)
    assert (ok, found) == (True, f"all queues and exchanges exist, 32 partitions{ending}")


async def test_a_broker_that_is_away_is_told(broker, url):
    assert [check[:2] for check in await findings(broker, "broker", database_url=url, partitions=3)] == [
        (False, "away")
    ]


async def test_unknown_variables_are_named(broker, url, monkeypatch, tmp_path):
    monkeypatch.setenv("MAILROOM_PARTITON", "3")
    monkeypatch.setenv("MAILROOM_DATABASE_URL", url)
    settings = Settings.load(env_file=tmp_path / "none")
    checks = [check async for check in doctor.examine(settings, look_at_broker=broker.look)]
    assert (checks[0].ok, checks[0].found) == (None, "unknown: MAILROOM_PARTITON")
    assert checks[0].advice == "is it a typing mistake?"


async def test_providers_that_the_platform_has_no_app_at_are_no_failure(broker, url):
    for name in ("microsoft 365 app", "google app"):
        ((ok, found, advice),) = await findings(broker, name, database_url=url)
        assert (ok, found) == (None, "not configured")
        assert "without MAILROOM_" in advice


@pytest.mark.parametrize(
    ("days", "ok", "advice"), [(90, True, ""), (10, True, "10 days left"), (-1, False, "make a new certificate")]
)
async def test_the_certificate_of_the_microsoft_app_is_looked_at_before_it_expires(
    broker, url, tmp_path, days, ok, advice
):
    now = datetime.now(UTC)
    key = rsa.generate_private_key(65_537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    until = now + timedelta(days=days, hours=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=99), until)
    certificate = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    file = tmp_path / "app.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)
    settings = {
        "microsoft_client_id": "client",
        "microsoft_certificate_file": str(file),
        "microsoft_authority": f"https://localhost:{closed_port()}/organizations",
        "graph_url": f"https://localhost:{closed_port()}",
    }
    ((found_ok, found, found_advice),) = await findings(broker, "microsoft 365 app", database_url=url, **settings)
    assert (found_ok, advice in found_advice) == (ok, True)
    assert f"expires on {until:%Y-%m-%d}" in found
    assert bool(found_advice) == bool(advice)


async def test_a_provider_that_cannot_be_reached_is_a_failure_that_names_the_setting(broker, url):
    place = f"https://localhost:{closed_port()}"
    microsoft = {"microsoft_client_id": "client", "microsoft_client_secret": Secret("s")}
    settings = {**microsoft, "microsoft_authority": f"{place}/organizations", "graph_url": place}
    ((ok, found, advice),) = await findings(broker, "microsoft 365 app: authority", database_url=url, **settings)
    assert (ok, found) == (False, "connect_failed at connect")
    assert "MAILROOM_MICROSOFT_AUTHORITY" in advice
    ((ok, _, _),) = await findings(broker, "microsoft 365 app: graph", database_url=url, **settings)
    assert ok is False
    assert await findings(broker, "microsoft 365 app: sign-in", database_url=url, **settings) == []


async def test_an_app_that_is_in_no_directory_is_a_failure(broker, url, tls):
    with MicrosoftSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as box:
        app = {"microsoft_client_id": box.client_id, "microsoft_client_secret": Secret(box.client_secret)}
        place = {"microsoft_authority": box.authority, "graph_url": box.url, "tls_ca_file": tls.ca_file}
        name = "microsoft 365 app: sign-in"
        ((ok, _, _),) = await findings(broker, name, database_url=url, **app, **place)
        assert ok is True
        mistyped = {**app, "microsoft_client_id": "0b1c2d3e-0000-4000-8000-000000000009"}
        ((ok, found, advice),) = await findings(broker, name, database_url=url, **mistyped, **place)
    assert ok is False
    assert found.startswith("AADSTS700016: ")
    assert "MAILROOM_MICROSOFT_CLIENT_ID" in advice
