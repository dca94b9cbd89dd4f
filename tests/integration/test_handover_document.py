"""What HANDOVER.md tells platforms is true: its Python makes a token that is taken, its tables are the code's."""

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import jwt

import config.web
from config import platform_key
from config.web.cookies import NAME
from config.web.handover import LIFETIME, Handover
from config.web.limits import Limits
from tests.settings_site import PLATFORM_KEY, settings_site
from tests.unit.test_platform_key import ED25519, pem, private

DOCUMENT = (Path(config.web.__file__).parent / "HANDOVER.md").read_text(encoding="utf-8")


async def test_the_python_of_the_document_signs_what_is_taken(tmp_path, monkeypatch):
    (tmp_path / "platform-private.pem").write_text(private(ED25519))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    user = SimpleNamespace(email="jo@acme.example", name="Jo", may_configure_mail=False, locale="fr_FR")
    link = names["settings_link"](user, SimpleNamespace(id="acme"))  # type: ignore[operator]  # the document's function
    address = urlsplit(link)
    (token,) = parse_qs(address.query)["token"]
    async with settings_site(tmp_path) as site:
        handover = Handover(platform_key.parse(pem(ED25519)), site.services.sessions, now=lambda: datetime.now(UTC))
        _, session = await handover.open(token)
    assert address.path == "/handover"
    assert (session.organization, session.role, session.language) == ("acme", "viewer", "fr")


async def test_every_required_claim_is_required(tmp_path):
    required = set(re.findall(r"^\| `(\w+)` \| required", DOCUMENT, re.MULTILINE))
    async with settings_site(tmp_path) as site:
        assert required == set(site.claims())
        for claim in required:
            claims = {name: value for name, value in site.claims().items() if name != claim}
            token = jwt.encode(claims, PLATFORM_KEY, algorithm="HS256")
            assert (await site.client.get("/handover", params={"token": token})).status_code == 401


def test_its_numbers_are_those_of_the_code():
    limits = Limits(lambda: 0.0)
    assert f"at most {LIFETIME} ahead" in DOCUMENT
    assert NAME in DOCUMENT
    for limit, words in (
        (limits.requests, "{} requests a\nminute"),
        (limits.changes, "{} of them changes"),
        (limits.handovers, "{} hand-overs"),
    ):
        allowed = sum(limit.take("a") == 0 for _ in range(500))
        assert words.format(allowed) in DOCUMENT
