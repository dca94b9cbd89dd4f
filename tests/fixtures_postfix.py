"""Fixtures for tests that send to a real Postfix."""

from collections.abc import Iterator

import pytest

from deploy.local.installation import ServerMissing
from deploy.local.postfix import PrivatePostfix
from tests.environment import absent
from tests.fixtures_tls import TestCertificates


@pytest.fixture(scope="session")
def postfix_server(tls: TestCertificates) -> Iterator[PrivatePostfix]:
    """One Postfix for the session, with the good certificate for ``localhost``."""
    try:
        server = PrivatePostfix(tls.server.certificate, tls.server.key)
    except ServerMissing as error:
        absent(str(error))
    with server:
        yield server


@pytest.fixture
def postfix(postfix_server: PrivatePostfix) -> PrivatePostfix:
    """The same with an empty mailbox and no scripted answers."""
    postfix_server.clear()
    return postfix_server
