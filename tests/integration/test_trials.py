"""The record of trials: bounded for an organisation and an administrator, one at a time, its code good for one use."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from config.actors import OPERATOR, Actor, ActorKind
from config.errors import TooManyCodes, TooManyTrials, TrialRunning
from config.history import Action
from config.store_schema import trials as table
from config.testing import smtp_form
from config.trial_codes import shown
from config.trial_values import Trial, TrialStage, TrialState, TrialSubject
from config.trials import Trials
from tests.builders import NOON
from transports.errors import Code

pytest_plugins = ("tests.fixtures_store",)

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "Ada@Acme.example")
BEN = Actor(ActorKind.ADMINISTRATOR, "Ben", "ben@acme.example")
CODE = "0123456789"
STAGES = (
    TrialStage("connect", ok=True, seconds=0.25),
    TrialStage("tls", ok=True, seconds=0.5, facts=(("protocol", "TLSv1.3"), ("expires", "2027-01-31"))),
    TrialStage("sign_in", ok=False, seconds=1.0, code=Code.SIGN_IN_REFUSED, detail="535 5.7.8"),
)


def begin(trials, organization="acme", actor=ADA, **changes):
    values = {"subject": TrialSubject.CANDIDATE, "kind": "smtp", "server": "smtp.acme.example:587", "code": CODE}
    return trials.begin(organization, actor, **{**values, "sender": "notifications@acme.example", **changes})


async def run(trials, organization="acme", actor=ADA, *, state=TrialState.PASSED, version=None, **changes):
    trial = await begin(trials, organization, actor, **changes)
    assert await trials.finish(trial.id, state, version=version)
    return trial


async def test_a_trial_is_followed_from_another_process_stage_by_stage(stores, others, wall_clock):
    assert await stores.trials.latest("acme") is None
    begun = await begin(stores.trials)
    assert begun == Trial(
        begun.id,
        "acme",
        TrialSubject.CANDIDATE,
        TrialState.RUNNING,
        "smtp",
        "smtp.acme.example:587",
        "notifications@acme.example",
        ADA,
        NOON,
    )
    for number, stage in enumerate(STAGES, 1):
        assert await stores.trials.stage(begun.id, stage)
        assert (await others.trials.get("acme", begun.id)).stages == STAGES[:number]
    wall_clock.forward(seconds=3)
    assert await stores.trials.finish(begun.id, TrialState.FAILED, problem="x")
    ended = await others.trials.latest("acme")
    assert (ended.state, ended.ended_at, ended.problem) == (TrialState.FAILED, NOON + timedelta(seconds=3), "x")
    # What has ended does not change any more.
    assert not await stores.trials.stage(begun.id, STAGES[0])
    assert not await stores.trials.finish(begun.id, TrialState.PASSED, version=1)
    assert await others.trials.get("acme", begun.id) == ended
    assert not await stores.trials.stage("no such trial", STAGES[0])


async def test_a_trial_of_another_organisation_is_not_there(stores):
    begun = await begin(stores.trials)
    assert await stores.trials.get("bolt", begun.id) is None
    assert await stores.trials.latest("bolt") is None


async def test_one_trial_runs_at_a_time_even_if_replicas_begin_at_the_same_instant(stores, others):
    begun = await asyncio.gather(
        *(begin((stores, others)[turn % 2].trials) for turn in range(8)), return_exceptions=True
    )
    (one,) = [trial for trial in begun if isinstance(trial, Trial)]
    refused = [error for error in begun if isinstance(error, TrialRunning)]
    assert len(refused) == 7
    assert {error.id for error in refused} == {one.id}
    await begin(stores.trials, "bolt", BEN)  # another organisation's is in nobody's way
    await stores.trials.finish(one.id, TrialState.FAILED)
    await begin(others.trials)


async def test_a_trial_whose_process_died_counts_as_interrupted_after_three_minutes(stores, wall_clock):
    begun = await begin(stores.trials)
    wall_clock.forward(seconds=179)
    with pytest.raises(TrialRunning):
        await begin(stores.trials)
    wall_clock.forward(seconds=1)
    dead = await stores.trials.get("acme", begun.id)
    assert (dead.state, dead.ended_at) == (TrialState.INTERRUPTED, NOON + timedelta(seconds=180))
    await begin(stores.trials)
    assert await stores.trials.get("acme", begun.id) == dead
    assert not await stores.trials.finish(begun.id, TrialState.PASSED, version=1), "it lost its turn"


async def test_an_organisation_may_begin_six_trials_in_ten_minutes_on_all_replicas_together(stores, others, wall_clock):
    for turn in range(6):
        await run((stores, others)[turn % 2].trials, actor=(ADA, BEN, OPERATOR)[turn % 3])
        wall_clock.forward(minutes=1)
    for actor in (ADA, BEN, OPERATOR):
        with pytest.raises(TooManyTrials) as caught:
            await begin(others.trials, actor=actor)
        assert caught.value.retry_after == 4 * 60
    await begin(stores.trials, "bolt")
    wall_clock.forward(seconds=4 * 60)
    await run(stores.trials)
    with pytest.raises(TooManyTrials) as caught:
        await begin(stores.trials)
    assert caught.value.retry_after == 60


async def test_an_administrator_may_begin_twelve_trials_an_hour_in_whatever_organisation(stores, wall_clock):
    same = Actor(ActorKind.ADMINISTRATOR, "Somebody else", " ADA@acme.EXAMPLE ")
    for turn in range(12):
        await run(stores.trials, f"org-{turn}", (ADA, same)[turn % 2])
        wall_clock.forward(minutes=1)
    with pytest.raises(TooManyTrials) as caught:
        await begin(stores.trials, "org-new")
    assert caught.value.retry_after == 48 * 60
    await begin(stores.trials, "org-new", BEN)
    for turn in range(14):
        await run(stores.trials, f"by-the-operator-{turn}", OPERATOR)
    wall_clock.forward(minutes=48)
    await begin(stores.trials, "org-newer")


async def test_trials_that_begin_at_once_in_many_organisations_are_all_counted(stores, others):
    begun = await asyncio.gather(
        *(begin((stores, others)[turn % 2].trials, f"org-{turn}") for turn in range(16)), return_exceptions=True
    )
    assert len([one for one in begun if isinstance(one, Trial)]) == 12
    assert len([one for one in begun if isinstance(one, TooManyTrials)]) == 4


async def test_the_newest_twenty_are_kept_and_those_that_still_count(stores, wall_clock):
    patient = Trials(stores.store, now=wall_clock, organization_limit=100, administrator_limit=100)
    for _ in range(25):
        await run(patient)
    async with stores.store.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(table)) == 25
    wall_clock.forward(hours=1, seconds=1)
    newest = await run(patient)
    async with stores.store.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(table)) == 20
    assert (await stores.trials.latest("acme")).id == newest.id


# -- the code ----------------------------------------------------------------------------------------------------------


async def configured(stores, organization="acme"):
    return await stores.organizations.configure_smtp(organization, smtp_form(), actor=ADA)


async def test_the_code_of_a_test_mail_verifies_the_settings_once(stores, others):
    version = await configured(stores)
    trial = await run(stores.trials, version=version)
    confirmed = await others.trials.confirm("acme", f" {shown(CODE).lower()} ", BEN)
    assert (confirmed.id, confirmed.confirmed_at, confirmed.version) == (trial.id, NOON, version)
    assert await stores.trials.get("acme", trial.id) == confirmed
    assert (await stores.organizations.describe("acme")).verified_at == NOON
    newest, _ = await stores.history.of("acme")
    assert (newest.action, newest.actor, newest.fields) == (Action.VERIFIED, BEN, ())
    assert await stores.trials.confirm("acme", CODE, BEN) is None
    # The next mail's code holds too, but the settings were verified before.
    await run(stores.trials, version=version, code="9876543210")
    assert await stores.trials.confirm("acme", "9876543210", BEN)
    assert len(await stores.history.of("acme")) == 2


async def test_of_confirmations_at_once_one_counts(stores, others):
    await run(stores.trials, version=await configured(stores))
    done = await asyncio.gather(*((stores, others)[turn % 2].trials.confirm("acme", CODE, BEN) for turn in range(6)))
    assert len([one for one in done if one]) == 1


async def test_a_code_is_worth_nothing_for_other_settings_organisations_or_trials(stores, wall_clock):
    version = await configured(stores)
    await configured(stores, "bolt")
    await run(stores.trials, version=version)
    assert await stores.trials.confirm("bolt", CODE, BEN) is None
    await configured(stores)  # the same settings, but a newer version
    assert await stores.trials.confirm("acme", CODE, BEN) is None
    for state, code in ((TrialState.FAILED, "AAAAAAAAAA"), (TrialState.INTERRUPTED, "BBBBBBBBBB")):
        await run(stores.trials, version=version + 2, state=state, code=code)
        assert await stores.trials.confirm("acme", code, BEN) is None
    await run(stores.trials, code="CCCCCCCCCC")  # passed, but its candidate did not come into use
    assert await stores.trials.confirm("acme", "CCCCCCCCCC", BEN) is None
    await run(stores.trials, version=(await stores.organizations.describe("acme")).version, code="DDDDDDDDDD")
    wall_clock.forward(days=7)
    assert await stores.trials.confirm("acme", "DDDDDDDDDD", BEN) is None
    assert (await stores.organizations.describe("acme")).verified_at is None
    await stores.organizations.disconnect("acme")
    assert await stores.trials.confirm("acme", CODE, BEN) is None


async def test_ten_wrong_codes_an_hour_are_counted_for_the_organisation_on_all_replicas(stores, others, wall_clock):
    await run(stores.trials, version=await configured(stores))
    for turn in range(10):
        assert await (stores, others)[turn % 2].trials.confirm("acme", f"00000000{turn:02}", BEN) is None
        assert await stores.trials.confirm("acme", "not a code", BEN) is None  # and so no guess
    wall_clock.forward(minutes=50)
    with pytest.raises(TooManyCodes) as caught:
        await others.trials.confirm("acme", CODE, BEN)
    assert caught.value.retry_after == 600
    assert await stores.trials.confirm("bolt", CODE, BEN) is None
    wall_clock.forward(minutes=10)
    assert await stores.trials.confirm("acme", CODE, BEN)


async def test_no_code_is_in_the_database_nor_that_two_organisations_have_the_same(stores):
    await run(stores.trials)
    await run(stores.trials, "bolt")
    async with stores.store.read() as connection:
        rows = (await connection.execute(select(table))).all()
    assert CODE not in repr(rows)
    assert len({row.code_hash for row in rows}) == 2
