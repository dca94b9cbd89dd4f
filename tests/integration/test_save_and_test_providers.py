"""*Save and test* with a connected account: the same trial, by another transport, and the account comes into use."""

import asyncio

import pytest

from config.choices import TransportKind
from config.errors import InvalidSettings, SettingsChanged, TrialRunning
from config.grants import GrantState
from config.oauth.values import Provider, Way
from config.testing import candidate_grant, provider_form, smtp_form
from config.trial_values import TrialState, TrialSubject
from tests.trying import JO, TO, bench, ended
from tests.waiting import eventually
from transports.errors import AccountProblem, Code
from transports.gmail.settings import GmailSettings
from transports.message import Receipt
from transports.microsoft365.settings import Microsoft365Settings
from transports.protocol import Stage
from transports.testing import RecordingTransport, ScriptedTransport


@pytest.fixture
async def place(tmp_path, tls):
    async with bench(tmp_path, tls) as made:
        yield made


class Making:
    """Makes one transport, and keeps what it was asked for."""

    def __init__(self, transport):
        self.transport = transport
        self.asked = []

    def __call__(self, settings):
        self.asked.append(settings)
        return self.transport


async def start(service, grant, *, expected=0, **changes):
    form = provider_form(grant, **changes)
    return await service.start_provider("acme", form, expected=expected, actor=JO, to=TO, language="en")


@pytest.mark.parametrize(
    ("provider", "way", "server", "kind"),
    [
        (Provider.MICROSOFT, Way.API, "Microsoft Graph", TransportKind.MICROSOFT365),
        (Provider.GOOGLE, Way.API, "Gmail API", TransportKind.GMAIL),
        (Provider.GOOGLE, Way.SMTP, "smtp.gmail.com:465", TransportKind.GMAIL),
    ],
)
async def test_a_candidate_that_passes_comes_into_use(place, provider, way, server, kind):
    making = Making(RecordingTransport(kind.value))
    grant = await candidate_grant(place.grants, provider=provider, way=way)
    trial = await start(place.service(making), grant)
    assert (trial.kind, trial.server, trial.sender) == (kind, server, "notifications@acme.example")
    assert (trial.subject, (await place.drafts.get("acme")).kind) == (TrialSubject.CANDIDATE, kind)
    assert (await place.drafts.get("acme")).form == provider_form(grant)
    trial = await ended(place.services[0], trial)
    assert (trial.state, trial.problem) == (TrialState.PASSED, "")
    assert all("security" not in dict(stage.facts) for stage in trial.stages) is (way is Way.API)
    active = await place.organizations.get("acme")
    assert (active.kind, active.version, [active.account]) == (kind, trial.version, making.asked)
    assert await place.drafts.get("acme") is None
    assert (await place.grants.of(grant.id)).state is GrantState.ACTIVE
    await eventually(lambda: place.announced == [("acme", trial.version)])
    (mail,) = making.transport.mails
    assert (mail.sender.address, mail.sender.name, mail.to) == ("notifications@acme.example", "Acme", (TO,))
    assert server in mail.text
    assert await place.trials.confirm("acme", place.codes[0], JO)
    assert (await place.organizations.describe("acme")).status == "verified"


async def test_a_candidate_that_fails_stays_one_beside_what_is_in_use(place):
    version = await place.organizations.configure_smtp("acme", smtp_form())
    grant = await candidate_grant(place.grants)
    failed = Stage("sign_in", False, 0.1, Code.ADMIN_CONSENT_NEEDED, "AADSTS65001")
    service = place.service(Making(ScriptedTransport([], stages=[failed])))
    trial = await ended(service, await start(service, grant, expected=version))
    assert (trial.state, trial.stages[-1].code) == (TrialState.FAILED, Code.ADMIN_CONSENT_NEEDED)
    refusing = AccountProblem(Code.SENDER_REFUSED, "ErrorSendAsDenied")
    service = place.service(Making(ScriptedTransport([refusing])))
    trial = await ended(service, await start(service, grant, expected=version))
    assert (trial.stages[-1].name, trial.stages[-1].code) == ("test_mail", Code.SENDER_REFUSED)
    assert (await place.organizations.get("acme")).version == version
    assert (await place.grants.candidate("acme")).id == grant.id
    assert (await place.drafts.get("acme")).form == provider_form(grant)


async def test_the_account_in_use_gets_another_sender_by_a_test(place):
    grant = await candidate_grant(place.grants)
    version = await place.organizations.configure_provider("acme", provider_form(grant))
    service = place.service(Making(RecordingTransport("microsoft365")))
    trial = await ended(service, await start(service, grant, expected=version, sender_alias="New"))
    assert trial.state is TrialState.PASSED
    assert (await place.organizations.get("acme")).sender.name == "New"
    assert (await place.grants.of(grant.id)).state is GrantState.ACTIVE


async def test_a_form_with_mistakes_or_of_older_settings_keeps_nothing(place):
    grant, service = await candidate_grant(place.grants), place.service(Making(RecordingTransport()))
    with pytest.raises(InvalidSettings):
        await start(service, grant, sender_address="half@")
    with pytest.raises(SettingsChanged):
        await start(service, grant, expected=3)
    with pytest.raises(SettingsChanged):
        await start(service, grant, grant_id="of the past")
    assert await place.drafts.get("acme") is None
    assert await place.trials.latest("acme") is None


class Held:
    """A transport whose mail waits for a test to let it go."""

    def __init__(self):
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self.transport = ScriptedTransport([self._send])

    def __call__(self, settings):
        return self.transport

    async def _send(self, mail):
        self.reached.set()
        await self.go.wait()
        return Receipt("microsoft365", mail.owed)


async def test_an_account_that_was_replaced_during_its_test_does_not_come_into_use(place):
    held, grant = Held(), await candidate_grant(place.grants)
    service = place.service(held)
    trial = await start(service, grant)
    await held.reached.wait()
    with pytest.raises(TrialRunning):
        await start(service, grant)
    newer = await candidate_grant(place.grants, subject="grace")
    held.go.set()
    trial = await ended(service, trial)
    assert (trial.state, trial.problem) == (TrialState.PASSED, "settings_changed")
    assert await place.organizations.describe("acme") is None
    assert (await place.grants.candidate("acme")).id == newer.id


async def test_what_was_deleted_during_its_test_does_not_come_back(place):
    held, grant = Held(), await candidate_grant(place.grants)
    service = place.service(held)
    trial = await start(service, grant)
    await held.reached.wait()
    await place.organizations.delete("acme")
    held.go.set()
    async for _ in service.follow("acme", trial.id):
        raise AssertionError("it is forgotten")
    await service.aclose(grace=10)
    assert await place.organizations.describe("acme") is None
    assert place.announced == []


@pytest.mark.parametrize(
    ("provider", "settings"), [(Provider.MICROSOFT, Microsoft365Settings), (Provider.GOOGLE, GmailSettings)]
)
async def test_the_account_in_use_is_tried_as_it_is_and_a_suspension_is_lifted(place, provider, settings):
    grant = await candidate_grant(place.grants, provider=provider)
    version = await place.organizations.configure_provider("acme", provider_form(grant))
    await place.organizations.suspend("acme", version, Code.MAILBOX_UNAVAILABLE, None)
    making = Making(RecordingTransport())
    trial = await place.tried_active(place.service(making))
    assert (trial.state, trial.version, trial.kind) == (TrialState.PASSED, version, TransportKind.of(provider))
    assert making.asked == [settings(grant.id, "ada@acme.example")]
    assert (await place.organizations.describe("acme")).suspended_code is None
    await eventually(lambda: place.announced == [("acme", version)])
