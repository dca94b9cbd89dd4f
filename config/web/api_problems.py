"""What can be wrong with a request to the JSON API, beyond what holds for every address, and how it is documented.

``told`` is the only place where the program's own errors become problems of the API.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from config.errors import (
    InvalidSettings,
    SettingsChanged,
    TooManyAttempts,
    TooManyCodes,
    TrialRunning,
    UnknownOrganization,
)
from config.languages import N_, Texts
from config.web import errors
from config.web.api_problem_models import ProblemOut
from config.web.errors import ApiProblem, Problem

CODES: Final = "x-codes"
TEST: Final = "/api/v1/tests/{id}"
"""Where a test is looked at."""

INVALID_SETTINGS: Final = Problem(
    422,
    "invalid_settings",
    N_("The settings have mistakes"),
    N_("They cannot be used like this, so nothing was saved."),
    N_("Mend the fields that are named and send the settings again."),
)
SETTINGS_CHANGED: Final = Problem(
    409,
    "settings_changed",
    N_("The settings are others by now"),
    N_("Somebody else changed the settings since you read them, so nothing was saved."),
    N_("Look at the settings once more, then repeat your change."),
)
TEST_RUNNING: Final = Problem(
    409,
    "test_running",
    N_("A test is under way"),
    N_("Settings are tested once at a time. Those that came with the request are kept as a draft."),
    N_("Wait until the running test has ended."),
)
TOO_MANY_TESTS: Final = Problem(
    429,
    "too_many_tests",
    N_("Too many tests"),
    N_("There were too many tests in a short time. Settings that came with the request are kept as a draft."),
    N_("Wait some minutes, then try again."),
)
TOO_MANY_CODES: Final = Problem(
    429,
    "too_many_codes",
    N_("Too many wrong codes"),
    N_("Too many wrong codes were entered in a short time, so this one was not looked at."),
    N_("Wait an hour, then try again."),
)
WRONG_CODE: Final = Problem(
    422,
    "wrong_code",
    N_("This is not the code"),
    N_("It is not the code of a test mail of the settings in use."),
    N_("Look at the newest test mail, or test the settings once more."),
)
CODE_USED: Final = Problem(
    409,
    "code_used",
    N_("The code was taken before"),
    N_("It was entered before, and the settings in use are verified by it, so nothing was done."),
    N_("There is nothing left to do."),
)
NOT_CONFIRMED: Final = Problem(
    422,
    "not_confirmed",
    N_("The confirmation does not fit"),
    N_("The id of the organisation was not repeated as it is, so nothing was done."),
    N_("Send the organisation’s id as the confirmation."),
)
NOT_CONFIGURED: Final = Problem(
    409,
    "not_configured",
    N_("Nothing is configured"),
    N_("The organisation has no transport of its own: its mail leaves from the platform’s address."),
    N_("Configure a transport first."),
)
NO_DOMAIN: Final = Problem(
    409,
    "no_domain",
    N_("There is no domain to look at"),
    N_("Neither the settings in use nor the draft have a sender whose domain could be looked up."),
    N_("Enter a sender address first."),
)

OPEN: Final = (
    *(errors.TOO_SLOW, errors.MISDIRECTED, errors.TOO_MANY_REQUESTS),
    *(errors.INTERNAL_ERROR, errors.STORE_UNAVAILABLE),
)
"""What every route may answer."""
SIGNED_IN: Final = (*OPEN, errors.SIGN_IN_NEEDED)
"""What a route for those who are signed in may answer."""
BODY: Final = (errors.BODY_TOO_LARGE, errors.UNSUPPORTED_TYPE, errors.INVALID_REQUEST)
"""What a route that takes a body may answer."""
CHANGE: Final = (*SIGNED_IN, errors.ADMINISTRATOR_NEEDED, errors.CROSS_SITE, errors.CSRF_FAILED)
"""What a route that changes something may answer."""


def documented(*problems: Problem) -> dict[int | str, dict[str, Any]]:
    """The problems as OpenAPI responses, one for each status; ``CODES`` has the codes for whoever completes them."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in sorted({problem.status for problem in problems}):
        same = [problem for problem in problems if problem.status == status]
        responses[status] = {
            "model": ProblemOut,
            "description": "; ".join(f"`{problem.code}`: {problem.title}" for problem in same),
            CODES: [problem.code for problem in same],
        }
    return responses


@contextmanager
def told(texts: Texts) -> Iterator[None]:
    """Turns what the program refuses into problems, in the reader's language.

    Raises:
        ApiProblem: instead of the errors it knows; others pass.
    """
    try:
        yield
    except InvalidSettings as error:
        mistakes = [{"field": name, "message": texts.sentence(sentence)} for name, sentence in error.problems]
        raise ApiProblem(INVALID_SETTINGS, errors=mistakes) from error
    except SettingsChanged as error:
        raise ApiProblem(SETTINGS_CHANGED) from error
    except UnknownOrganization as error:
        raise ApiProblem(NOT_CONFIGURED) from error
    except TrialRunning as error:
        raise ApiProblem(TEST_RUNNING, headers={"Location": TEST.format(id=error.id)}, test=error.id) from error
    except TooManyAttempts as error:
        problem = TOO_MANY_CODES if isinstance(error, TooManyCodes) else TOO_MANY_TESTS
        headers = {"Retry-After": str(error.retry_after)}
        raise ApiProblem(problem, headers=headers, retry_after=error.retry_after) from error
