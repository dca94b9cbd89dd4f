"""*Save and test* as a service: what a passed trial changes, what can come between, who may follow, and every end."""

import asyncio
from dataclasses import replace

import pytest

from config.actors import Actor, ActorKind
from config.errors import (
    InvalidSettings,
    SettingsChanged,
    StoreUnavailable,
    TooManyTrials,
    TrialRunning,
    UnknownOrganization,
)
from config.secrets import Secret
from config.testing import smtp_form
from config.trial_values import STAGES, TrialState, TrialSubject
from config.trials import Trials
from tests.fakes.smtpd import Wire
from tests.reading_mail import parse, text_of
from tests.trying import BASE_URL, JO, TO, USER, bench, ended, form_for, server_with
from tests.waiting import eventually
from transports.errors import Code
from transports.message import Receipt
from transports.testing import RecordingTransport, ScriptedTransport


@pytest.fixture
async def place(tmp_path, tls):
    async with bench(tmp_path, tls) as made:
        yield made


class Held:
    """A transport whose mail waits for a test to let it go."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self.transport = ScriptedTransport([self._send])

    def __call__(self, settings):
        return self.transport

    async def _send(self, mail):
        self.reached.set()
        await self.go.wait()
        return Receipt("smtp", mail.owed)


async def test_settings_that_pass_come_into_use_and_the_code_of_their_mail_verifies_them(place, tls):
    with server_with(tls) as server:
        trial = await place.tried(place.service(), form_for(server))
        assert server.open_connections == 0 or await eventually(lambda: server.open_connections == 0)
    assert [(stage.name, stage.ok, stage.code) for stage in trial.stages] == [(name, True, None) for name in STAGES]
    assert (trial.state, trial.problem, trial.subject) == (TrialState.PASSED, "", TrialSubject.CANDIDATE)
    facts = {stage.name: dict(stage.facts) for stage in trial.stages}
    assert facts["tls"]["protocol"].startswith("TLSv1.")
    assert (facts["tls"]["security"], facts["sign_in"]["mechanism"].upper()) == ("starttls", "PLAIN")
    active = await place.organizations.get("acme")
    assert (active.version, active.account.port, active.account.password) == (
        trial.version,
        server.port,
        "correct horse",
    )
    assert await place.drafts.get("acme") is None
    await eventually(lambda: place.announced == [("acme", trial.version)])
    (mail,) = server.mails
    assert (mail.sender, mail.recipients, mail.secure) == ("notifications@acme.example", (TO.address,), True)
    plain = parse(mail.content).get_body(("plain",))
    assert plain is not None
    text = text_of(plain)
    (code,) = place.codes
    shown = f"{code[:5]}-{code[5:]}"
    assert f"{BASE_URL}/settings/verify?code={shown}" in text
    assert (await place.trials.confirm("acme", f" {shown.lower()} ", JO)).id == trial.id
    assert (await place.organizations.describe("acme")).status == "verified"


async def test_nothing_is_in_use_before_the_last_stage_has_passed(place):
    held = Held()
    service = place.service(held)
    trial = await place.start(service, smtp_form())
    await held.reached.wait()
    assert await place.organizations.get("acme") is None
    assert (await place.drafts.get("acme")).password_set
    held.go.set()
    assert (await ended(service, trial)).version == (await place.organizations.get("acme")).version


async def test_a_form_with_mistakes_or_from_older_settings_keeps_nothing(place):
    service = place.service(lambda settings: RecordingTransport())
    with pytest.raises(InvalidSettings):
        await place.start(service, smtp_form(host="0x7f.1"))
    version = await place.organizations.configure_smtp("acme", smtp_form())
    for expected in (0, version + 1):
        with pytest.raises(SettingsChanged):
            await place.start(service, smtp_form(), expected=expected)
    assert await place.drafts.get("acme") is None
    assert await place.trials.latest("acme") is None


async def test_a_blank_password_is_the_stored_one(place, tls):
    with server_with(tls) as server:
        service = place.service()
        first = await place.tried(service, form_for(server))
        again = await place.tried(service, form_for(server, password=None, sender_alias="B"), expected=first.version)
        assert again.state is TrialState.PASSED
        assert server.signed_in == ["acme"] * 4  # a check and a mail each time


async def test_settings_that_somebody_else_changed_meanwhile_are_left_alone(place):
    held = Held()
    service = place.service(held)
    trial = await place.start(service, smtp_form())
    await held.reached.wait()
    version = await place.organizations.configure_smtp("acme", smtp_form(host="other.acme.example"))
    held.go.set()
    trial = await ended(service, trial)
    assert (trial.state, trial.problem, trial.version) == (TrialState.PASSED, "settings_changed", None)
    assert all(stage.ok for stage in trial.stages)
    assert (await place.organizations.get("acme")).version == version
    assert (await place.drafts.get("acme")).form.host == "mail.acme.example"
    assert place.announced == []


async def test_a_draft_that_was_saved_meanwhile_stays(place):
    held = Held()
    service = place.service(held)
    trial = await place.start(service, smtp_form())
    await held.reached.wait()
    place.later(1)
    await place.drafts.save("acme", smtp_form(host="next.acme.example"), JO)
    held.go.set()
    assert (await ended(service, trial)).state is TrialState.PASSED
    assert (await place.drafts.get("acme")).form.host == "next.acme.example"


async def test_one_trial_at_a_time_in_all_processes_together(place):
    held = Held()
    first, second = place.service(held), place.service(held)
    trial = await place.start(first, smtp_form())
    with pytest.raises(TrialRunning) as refused:
        await place.start(second, smtp_form(sender_alias="later"))
    assert refused.value.id == trial.id
    held.go.set()
    await ended(second, trial)
    # What the second one entered is not lost, and not what came into use.
    assert (await place.organizations.describe("acme")).sender.name == "Acme"


async def test_two_who_press_at_the_same_moment_make_one_trial(place):
    services = [place.service(lambda settings: RecordingTransport()) for _ in range(4)]
    begun = await asyncio.gather(*(place.start(one, smtp_form()) for one in services), return_exceptions=True)
    trials = [one for one in begun if not isinstance(one, BaseException)]
    others = [one for one in begun if isinstance(one, BaseException)]
    assert len(trials) >= 1
    assert all(isinstance(one, TrialRunning | SettingsChanged) for one in others)
    last = [await ended(services[0], trial) for trial in trials]
    assert [trial.problem for trial in last if trial.version is not None] == [""]


async def test_an_administrator_who_tests_too_often_is_told_when_to_come_again(place):
    place.trials = Trials(place.store, now=lambda: place.time, organization_limit=2)
    service = place.service(lambda settings: RecordingTransport())
    version = 0
    for _ in range(2):
        version = (await place.tried(service, smtp_form(), expected=version)).version
    with pytest.raises(TooManyTrials) as refused:
        await place.start(service, smtp_form(sender_alias="B"), expected=version)
    assert 0 < refused.value.retry_after <= 600
    assert (await place.drafts.get("acme")).form.sender_alias == "B"


async def test_every_process_can_follow_and_sees_each_change_once(place):
    class Counting(Trials):
        reads = 0

        async def get(self, organization, trial_id):
            self.reads += 1
            return await super().get(organization, trial_id)

    place.trials = Counting(place.store, now=lambda: place.time)
    held = Held()
    here, elsewhere = place.service(held), place.service(held)
    trial = await place.start(here, smtp_form())

    async def seen(service):
        return [(len(one.stages), one.state) async for one in service.follow("acme", trial.id)]

    watching = [asyncio.create_task(seen(service)) for service in (here, elsewhere, elsewhere)]
    await held.reached.wait()
    looked = place.trials.reads
    await eventually(lambda: place.trials.reads > looked + 5 * len(watching))
    held.go.set()
    for counts in await asyncio.gather(*watching):
        assert counts[-1] == (len(STAGES), TrialState.PASSED)
        assert [count for count, _ in counts] == sorted(count for count, _ in counts)
        assert len(counts) == len(set(counts)) > 1


async def test_another_organisation_s_trial_cannot_be_followed(place):
    service = place.service(lambda settings: RecordingTransport())
    trial = await place.tried(service, smtp_form())
    assert [one async for one in service.follow("bolt", trial.id)] == []
    assert [one async for one in service.follow("acme", "no-such-trial")] == []


async def test_following_ends_when_the_process_that_ran_the_trial_has_died(place):
    begun = await place.trials.begin(
        *("acme", JO), subject=TrialSubject.CANDIDATE, kind="smtp", server="a:25", sender="a@b.example", code="A" * 10
    )
    service = place.service(lambda settings: RecordingTransport())
    following = service.follow("acme", begun.id)
    assert (await anext(following)).state is TrialState.RUNNING
    place.later(181)
    assert [one.state async for one in following] == [TrialState.INTERRUPTED]
    assert (await place.tried(service, smtp_form())).state is TrialState.PASSED


async def test_a_trial_that_was_held_up_for_too_long_changes_nothing(place):
    held = Held()
    service = place.service(held)
    trial = await place.start(service, smtp_form())
    await held.reached.wait()
    place.later(181)
    held.go.set()
    await eventually(lambda: held.transport.closed)
    await service.aclose()
    assert (await place.trials.get("acme", trial.id)).state is TrialState.INTERRUPTED
    assert await place.organizations.get("acme") is None


async def test_shutdown_breaks_a_trial_off_and_says_so(place, tls):
    with server_with(tls) as server:
        server.script.on("BODY", Wire.TAKE_AND_HANG)
        service = place.service()
        trial = await place.start(service, form_for(server))
        await eventually(lambda: "DATA" in server.commands)
        await service.aclose()
        await eventually(lambda: server.open_connections == 0)
    latest = await place.trials.get("acme", trial.id)
    assert (latest.state, latest.problem) == (TrialState.INTERRUPTED, "")
    assert await place.organizations.get("acme") is None
    assert await place.drafts.get("acme") is not None


async def test_shutdown_right_after_the_start_says_so_too(place):
    service = place.service(Held())
    trial = await place.start(service, smtp_form())
    await service.aclose()
    await service.aclose()
    assert (await place.trials.get("acme", trial.id)).state is TrialState.INTERRUPTED


@pytest.mark.parametrize("broken", ["transport", "mail"])
async def test_a_mistake_of_ours_ends_the_trial_and_is_logged_without_personal_data(place, broken, capsys):
    async def fail(mail):
        raise LookupError("canary secret")

    def transport(settings):
        if broken == "transport":
            raise ValueError("canary secret")
        return ScriptedTransport([fail])

    trial = await place.tried(place.service(transport), smtp_form())
    stage = "address" if broken == "transport" else "test_mail"
    assert trial.state is TrialState.FAILED
    assert (trial.stages[-1].name, trial.stages[-1].code) == (stage, Code.INTERNAL_ERROR)
    told = capsys.readouterr()
    assert "a test of settings broke off" in told.out + told.err
    assert "canary" not in told.out + told.err
    assert "correct horse" not in told.out + told.err


async def test_a_store_that_is_away_fails_the_trial_and_changes_nothing(place):
    class Away(Trials):
        async def stage(self, trial_id, stage):
            if stage.code is None:
                raise StoreUnavailable("away")
            return await super().stage(trial_id, stage)

    place.trials = Away(place.store, now=lambda: place.time)
    trial = await place.tried(place.service(lambda settings: RecordingTransport()), smtp_form())
    assert trial.state is TrialState.FAILED
    assert [(stage.name, stage.code) for stage in trial.stages] == [("address", Code.STORE_UNAVAILABLE)]
    assert await place.organizations.get("acme") is None


async def test_news_that_cannot_be_told_neither_fail_nor_delay_a_trial(place):
    never = asyncio.Event()

    async def hang(organization, version):
        await never.wait()

    async def fail(organization, version):
        raise OSError

    hanging = place.service(lambda settings: RecordingTransport(), announce=hang)
    trial = await place.tried(hanging, smtp_form())
    assert trial.state is TrialState.PASSED
    never.set()
    failing = place.service(lambda settings: RecordingTransport(), announce=fail)
    assert (await place.tried(failing, smtp_form(), expected=trial.version)).state is TrialState.PASSED


async def test_the_settings_in_use_are_tried_as_they_are_and_a_suspension_is_lifted(place, tls):
    with server_with(tls) as server:
        version = await place.organizations.configure_smtp("acme", form_for(server))
        await place.organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, None)
        trial = await place.tried_active(place.service())
        assert (trial.state, trial.version, trial.subject) == (TrialState.PASSED, version, TrialSubject.ACTIVE)
        assert len(server.mails) == 1
    assert (await place.organizations.describe("acme")).suspended_code is None
    await eventually(lambda: place.announced == [("acme", version)])
    assert (await place.trials.confirm("acme", place.codes[-1], JO)).version == version


async def test_settings_in_use_that_fail_stay_as_they_are(place, tls):
    with server_with(tls) as server:
        server.script.on("AUTH", "535 5.7.8 no")
        version = await place.organizations.configure_smtp("acme", form_for(server))
        await place.organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, None)
        trial = await place.tried_active(place.service())
    assert (trial.state, trial.version) == (TrialState.FAILED, version)
    assert (await place.organizations.describe("acme")).suspended_code == Code.SIGN_IN_REFUSED


async def test_without_settings_of_its_own_there_is_nothing_to_try(place):
    with pytest.raises(UnknownOrganization):
        await place.tried_active(place.service())


async def test_the_mail_goes_to_the_administrator_in_their_language_by_the_sender_entered(place):
    transport = RecordingTransport()
    service = place.service(lambda settings: transport, base_url=None)
    eve = Actor(ActorKind.ADMINISTRATOR, "Ève", "eve@canary.example")
    form = smtp_form(password=Secret("s3cret"))
    trial = await service.start("acme", form, expected=0, actor=eve, to=TO, language="fr")
    await ended(service, trial)
    (mail,) = transport.mails
    assert (mail.sender.address, mail.sender.name, mail.to) == ("notifications@acme.example", "Acme", (TO,))
    text = mail.text or ""
    assert "Demandé par\u00a0: Ève (eve@canary.example)" in text
    assert "http" not in text
    assert "s3cret" not in text
    assert [probe.recipient for probe in transport.probes if probe] == [TO.address]


async def test_a_blank_password_never_brings_back_one_that_was_changed_since(place, tls):
    with server_with(tls, credentials=((USER, "old"), (USER, "new"))) as server:
        form = form_for(server, password=Secret("old"))
        version = await place.organizations.configure_smtp("acme", form)
        service = place.service()
        server.script.on("MAIL", "550 5.7.1 no", times=1)
        failed = await place.tried(service, replace(form, password=None), expected=version)
        assert failed.state is TrialState.FAILED
        version = await place.organizations.configure_smtp("acme", replace(form, password=Secret("new")))
        passed = await place.tried(service, replace(form, password=None), expected=version)
    assert passed.state is TrialState.PASSED
    assert (await place.organizations.get("acme")).account.password == "new"


async def test_changing_the_password_takes_the_older_one_out_of_a_draft(place):
    await place.organizations.configure_smtp("acme", smtp_form())
    await place.drafts.save("acme", smtp_form(password=Secret("typed long ago")), JO)
    await place.organizations.configure_smtp("acme", smtp_form(password=Secret("of today")))
    assert not (await place.drafts.get("acme")).password_set
    assert (await place.organizations.smtp_candidate("acme", smtp_form(password=None))).password == Secret("of today")


async def test_what_was_disconnected_meanwhile_is_not_connected_by_a_test(place):
    held = Held()
    service = place.service(held)
    trial = await place.start(service, smtp_form())
    await held.reached.wait()
    await place.organizations.configure_smtp("acme", smtp_form(host="other.example"))
    await place.organizations.disconnect("acme")
    held.go.set()
    assert (await ended(service, trial)).state is TrialState.INTERRUPTED
    await service.aclose()
    assert await place.organizations.get("acme") is None
