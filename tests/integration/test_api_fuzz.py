"""The API against whatever its own description lets one think of: no mistake of ours, and answers as described."""

from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from config.trial_values import TrialState
from config.web.api import openapi
from tests.integration.access_site import furnish
from tests.integration.access_table import SMTP, TABLE, Route
from tests.served_site import ServedSite
from tests.settings_site import Clock

DESCRIBED: Final = [row for row in TABLE if row.api and not row.path.endswith("openapi.json")]
MEANING: Final = "positive_data_acceptance"
"""The one check that cannot hold: a code, a host or a confirmation of the right form may still be the wrong one."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    # Time flies: neither the limits of requests nor those of tests hide what is asked here.
    with ServedSite(tmp_path_factory.mktemp("site"), clock=Clock(step=20)) as running:
        yield running


@pytest.fixture(scope="module")
def api(served: ServedSite) -> schemathesis.BaseSchema:
    load_all_checks()
    schema = schemathesis.openapi.from_dict(openapi("0.0.0"))
    schema.config.update(base_url=served.url)
    # What is too long for its field may be too long for any request.
    schema.config.checks.negative_data_rejection.expected_statuses += ["413"]
    return schema


def _often(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
@pytest.mark.parametrize("row", DESCRIBED, ids=lambda row: row.name)
def test_answers_are_as_described(
    row: Route, mode: GenerationMode, api: schemathesis.BaseSchema, served: ServedSite
) -> None:
    trial = served.run(furnish(served.site, "acme"))["id"]
    me = served.run(served.site.visitor())
    numbers = count()
    meaning: Any = CHECKS.get_one(MEANING)

    @given(case=api[row.path][row.method].as_strategy(generation_mode=mode))
    @_often(10)
    def ask(case: Case) -> None:
        nonlocal me
        if mode is GenerationMode.POSITIVE and next(numbers) % 2:
            _mend(case, trial)
        if row.path.startswith("/api/v1/session"):
            me = served.run(served.site.visitor())
        case.call_and_validate(headers=me.bearer, excluded_checks=[meaning])

    ask()


def _mend(case: Case, trial: str) -> None:
    """Every other request gets further than the form: real settings, a test that exists."""
    if "id" in (case.path_parameters or {}):
        case.path_parameters["id"] = trial
    if isinstance(case.body, dict) and "host" in case.body:
        case.body.update({name: SMTP[name] for name in SMTP}, version=None)


def test_a_test_that_was_started_reaches_nothing(served: ServedSite) -> None:
    """What keeps the requests above from reaching anybody: a test ends at its first stage."""

    async def tested() -> list[str]:
        me = await served.site.visitor("closed")
        answer = await served.site.client.post("/api/v1/tests", headers=me.bearer, json=SMTP)
        assert answer.status_code == 202
        async for trial in served.site.services.trials.follow("closed", answer.json()["id"]):
            shown = trial
        assert shown.state is TrialState.FAILED
        return [stage.name for stage in shown.stages]

    assert served.run(tested()) == ["address"]
