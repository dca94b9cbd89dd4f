"""The keyed hash of a database, the wrong key found at the start, and keys that change while everything runs."""

import asyncio

import pytest
from sqlalchemy import func, select, update

from config import store_rotation
from config.actors import OPERATOR
from config.errors import ConfigurationError, StoreUnavailable, WrongSecretKey
from config.oauth.flows import Purpose
from config.oauth.values import AppCredentials, Begun, Provider, Way
from config.organizations import Organizations
from config.secrets import Secret, SecretBox, generate_key
from config.store import Store
from config.store_keyring import open_keyring
from config.store_rotation import Rotation, rotate
from config.store_schema import keyring, metadata, organizations
from config.testing import KEY, candidate_grant, smtp_form, stores_over

pytest_plugins = ("tests.fixtures_store",)

NEW = Secret(generate_key())
APP = AppCredentials("client", "tenant", "mail@corp.example", Secret("app secret"), certificate=True)


async def password(admin, organization):
    settings = await admin.get(organization)
    return settings.account.password


async def sealed_values(store):
    """Every sealed value there is, in whatever table."""
    columns = [column for table in metadata.sorted_tables for column in table.c if "sealed" in column.name]
    assert len(columns) >= 6
    async with store.read() as connection:
        return [
            token for column in columns for token in await connection.scalars(select(column).where(column.is_not(None)))
        ]


async def test_every_process_with_the_key_hashes_alike(store_url, box):
    stores = [await Store.open(store_url) for _ in range(4)]
    hashes = await asyncio.gather(*(open_keyring(store, box) for store in stores))
    assert len({digest(b"acme", b"/tasks", b"1") for digest in hashes}) == 1
    async with stores[0].read() as connection:
        assert await connection.scalar(select(func.count()).select_from(keyring)) == 1
    for store in stores:
        await store.close()


async def test_two_databases_with_the_same_key_hash_differently(tmp_path, box):
    digests = []
    for name in ("one", "two"):
        store = await Store.open(f"sqlite+aiosqlite:///{tmp_path}/{name}.db")
        digests.append((await open_keyring(store, box))(b"x"))
        await store.close()
    assert digests[0] != digests[1]


async def test_a_wrong_key_is_refused_at_the_start_in_plain_words(store, box):
    await open_keyring(store, box)
    with pytest.raises(WrongSecretKey, match="MAILROOM_SECRET_KEYS: does not open this database") as caught:
        await open_keyring(store, SecretBox([NEW]))
    assert NEW.reveal() not in str(caught.value)
    await open_keyring(store, box)


async def test_no_key_is_refused_and_the_reader_told_how_to_make_one(store):
    with pytest.raises(ConfigurationError, match="mailroom keys generate"):
        await open_keyring(store, SecretBox([]))


async def test_a_rotation_seals_everything_anew_and_changes_no_meaning(store, box):
    admin = Organizations(store, box)
    await admin.configure_smtp("acme", smtp_form(password=Secret("one")))
    await admin.configure_smtp("bolt", smtp_form(password=Secret("two")))
    await admin.configure_smtp("corp", smtp_form(username=None, password=None))
    await stores_over(store).drafts.save("acme", smtp_form(password=Secret("a draft's")), OPERATOR)
    grant = await candidate_grant(stores_over(store).grants)
    app = await candidate_grant(stores_over(store).grants, "corp", tokens=APP)
    begun = Begun("https://login.example", "state", Secret("verifier and nonce"))
    about = (Provider.GOOGLE, Way.API, "session", begun, Purpose.CONNECT, OPERATOR)
    await stores_over(store).flows.begin("acme", *about)
    before = (await open_keyring(store, box))(b"x")
    counted = await admin.changes_since(None)
    both = SecretBox([NEW, KEY])

    assert await rotate(store, both) == Rotation(sealed_anew=8, current=0, unreadable=())

    only_new = SecretBox([NEW])
    assert all(only_new.is_current(token) for token in await sealed_values(store))
    after = Organizations(store, only_new)
    assert await password(after, "acme") == "one"
    assert await password(after, "bolt") == "two"
    assert (await open_keyring(store, only_new))(b"x") == before
    assert await after.changes_since(None) == counted
    candidate = await after.smtp_candidate("acme", smtp_form(password=None))
    assert candidate.password == Secret("a draft's")
    rotated = stores_over(store, keys=[NEW])
    found, of_app = await rotated.grants.get(grant.id), await rotated.grants.get(app.id)
    assert found is not None
    assert (found.refresh_token, found.access_token, found.version) == (Secret("refresh 1"), Secret("access 1"), 1)
    assert of_app is not None
    assert of_app.app == APP
    flow = await rotated.flows.take("state", "session")
    assert flow is not None
    assert flow.flow == Secret("verifier and nonce")
    with pytest.raises(WrongSecretKey):
        await open_keyring(store, box)
    assert await rotate(store, both) == Rotation(sealed_anew=0, current=7, unreadable=())


async def test_a_rotation_that_was_interrupted_goes_on_where_it_stopped(store, box):
    admin = Organizations(store, box)
    for name in ("acme", "bolt", "corp", "dora"):
        await admin.configure_smtp(name, smtp_form())
    await open_keyring(store, box)
    both = SecretBox([NEW, KEY])
    seen = 0

    def stop_at_the_third():
        nonlocal seen
        seen += 1
        if seen == 3:
            raise StoreUnavailable("the database went away")

    with pytest.raises(StoreUnavailable):
        await rotate(store, both, on_row=stop_at_the_third)
    for name in ("acme", "bolt", "corp", "dora"):
        assert await password(Organizations(store, both), name) == "correct horse"
    assert await rotate(store, both) == Rotation(sealed_anew=3, current=2, unreadable=())


async def test_a_rotation_goes_past_its_first_page(store, box):
    admin = Organizations(store, box)
    await admin.configure_smtp("org", smtp_form())
    async with store.write() as connection:
        for number in range(store_rotation._PAGE + 1):
            token = box.seal("x", f"org-{number:05}", "password")
            row = {
                "organization": f"org-{number:05}",
                "kind": "smtp",
                "version": 1,
                "changed": 1,
                "password_sealed": token,
            }
            await connection.execute(organizations.insert(), row)
    done = await rotate(store, SecretBox([NEW, KEY]))
    assert done == Rotation(sealed_anew=store_rotation._PAGE + 2, current=0, unreadable=())


async def test_secrets_that_no_key_opens_are_named_and_left(store, box):
    await Organizations(store, box).configure_smtp("acme", smtp_form())
    await Organizations(store, box).configure_smtp("bolt", smtp_form())
    async with store.write() as connection:
        await connection.execute(
            update(organizations).where(organizations.c.organization == "acme").values(password_sealed="v1:rubbish")
        )
    done = await rotate(store, SecretBox([NEW, KEY]))
    assert done == Rotation(sealed_anew=1, current=0, unreadable=("acme",))


async def test_a_password_saved_during_a_rotation_is_not_overwritten(store, box):
    """The rotation has read the row when somebody else saves a new password: theirs stays."""
    both = SecretBox([NEW, KEY])
    await Organizations(store, box).configure_smtp("acme", smtp_form())
    ((key, _, token),) = await store_rotation._page(store, store_rotation._SEALED[0], "")
    await Organizations(store, both).configure_smtp("acme", smtp_form(password=Secret("the new one")))
    fresh = both.seal("old", "acme", "password")
    await store_rotation._replace(store, store_rotation._SEALED[0], key, token, fresh=fresh)
    assert await password(Organizations(store, both), "acme") == "the new one"
