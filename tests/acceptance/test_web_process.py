"""``mailroom web`` as a process of its own: what it refuses to start with, that it needs no broker, and how it ends."""

import os
import re
import signal
import subprocess
import time

import httpx
import jwt
import pytest

from config.secrets import generate_key
from config.testing import KEY, sqlite_url
from deploy.local.children import Children
from deploy.local.places import CLONE
from deploy.local.ports import await_listening, free_block
from tests.running import COMMAND
from tests.waiting import eventually_blocking

PLATFORM_KEY = "a key that the platform and the settings page share"
PATIENCE = 30


@pytest.fixture
def settings(tmp_path):
    """A database in a folder, keys, a free port, and a broker that is not there."""
    port = free_block(1)
    return {
        "MAILROOM_DATABASE_URL": sqlite_url(tmp_path),
        "MAILROOM_SECRET_KEYS": KEY.reveal(),
        "MAILROOM_AMQP_URL": "amqp://127.0.0.1:1/",
        "MAILROOM_DRAIN_SECONDS": "5",
        "MAILROOM_PLATFORM_KEY": PLATFORM_KEY,
        "MAILROOM_WEB_PORT": str(port),
        "MAILROOM_WEB_URL": f"http://localhost:{port}",
    }


def refused(settings):
    """What the process says when it does not start."""
    ended = subprocess.run(
        [*COMMAND, "web"],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=CLONE,
    )
    assert ended.returncode in (1, 2)
    assert "Traceback" not in ended.stderr
    assert PLATFORM_KEY not in ended.stderr
    return ended.stderr


@pytest.fixture
def page(settings, tmp_path):
    """The process, serving; its lines are in ``web.log``."""
    children = Children()
    process = children.start(
        [*COMMAND, "web"], environment={**os.environ, **settings}, output=tmp_path / "web.log", folder=CLONE
    )
    try:
        assert await_listening(int(settings["MAILROOM_WEB_PORT"]), process, timeout=PATIENCE)
        yield process
    finally:
        children.close()


def handover():
    claims: dict[str, object] = {
        "aud": "mailroom",
        "organization": "acme",
        "role": "admin",
        "email": "ada@canary.example",
    }
    claims |= {"name": "Ada Canary", "jti": os.urandom(16).hex(), "exp": int(time.time()) + 60}
    return jwt.encode(claims, PLATFORM_KEY, algorithm="HS256")


def test_it_serves_without_a_broker_tells_nothing_and_ends_when_it_is_told_to(page, settings, tmp_path):
    token = handover()
    with httpx.Client(base_url=settings["MAILROOM_WEB_URL"]) as browser:
        assert browser.get("/readyz").json() == {"ready": True, "checks": {"store": True}}
        arrived = browser.get("/handover", params={"token": token})
        assert (arrived.status_code, arrived.headers["location"]) == (303, "/settings")
        cookie = arrived.headers["set-cookie"].split(";")[0]
        assert "acme" in browser.get("/settings", headers={"Cookie": cookie}).text
        os.kill(page.pid, signal.SIGTERM)
        eventually_blocking(lambda: page.poll() is not None, what="the page has ended")
    assert page.returncode == 0
    log = (tmp_path / "web.log").read_text()
    assert "the settings page has ended" in log
    for secret in (token, cookie.partition("=")[2], "canary", "Canary", "127.0.0.1", PLATFORM_KEY):
        assert secret not in log


def test_what_it_cannot_be_started_with_is_said_in_a_sentence(page, settings):
    in_use = refused(settings)
    assert re.fullmatch(r"mailroom: the settings page cannot be served on \S+ port \d+ \(.* in use\): .*\n", in_use)
    other_key = refused({**settings, "MAILROOM_SECRET_KEYS": generate_key()})
    assert "MAILROOM_SECRET_KEYS: does not open this database" in other_key
    needed = ("MAILROOM_SECRET_KEYS", "MAILROOM_WEB_URL", "MAILROOM_PLATFORM_KEY")
    nothing = refused({**settings, **dict.fromkeys(needed, "")})
    assert [line.split(": ")[1] for line in nothing.splitlines()] == list(needed)


def test_an_old_schema_is_said_to_need_an_upgrade(settings, postgres_url):
    assert "mailroom database upgrade" in refused({**settings, "MAILROOM_DATABASE_URL": postgres_url})
