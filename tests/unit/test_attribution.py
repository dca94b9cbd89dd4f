"""Whose fault a failed send is: decided for every code and every class of error there is."""

import pytest

from consumer.attribution import BY_CODE, Blame, attribute, no_such_name
from transports import errors
from transports.errors import Code, DeliveryError

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DeliveryError)]
RELAYING = Code.RELAYING_DENIED


def test_every_code_is_decided():
    assert set(BY_CODE) == set(Code)


@pytest.mark.parametrize("platform", [False, True])
@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_of_error_is_decided_for_every_code(kind, platform):
    assert {type(attribute(kind(code), platform=platform)) for code in Code} == {Blame}


# By class, whatever the code: what the mail or a recipient did, what needs a person, what is ours.
BY_CLASS = {
    errors.Permanent: Blame.ANSWERED,
    errors.RecipientRefused: Blame.ANSWERED,
    errors.MessageRefused: Blame.ANSWERED,
    errors.RecipientDeferred: Blame.ANSWERED,
    errors.AccountProblem: Blame.SETTINGS,
    errors.PlatformProblem: Blame.PLATFORM,
}


@pytest.mark.parametrize(("kind", "blame"), BY_CLASS.items())
def test_what_a_class_says_no_code_overrules(kind, blame):
    assert {attribute(kind(code), platform=False) for code in Code if code is not RELAYING} == {blame}


@pytest.mark.parametrize("platform", [False, True])
@pytest.mark.parametrize("kind", [errors.AccountProblem, errors.PlatformProblem])
def test_a_relay_that_refuses_to_relay_may_mean_this_recipient_only(kind, platform):
    assert attribute(kind(RELAYING), platform=platform) is Blame.ANSWERED


def test_what_needs_a_person_at_the_platforms_own_relay_is_the_platforms():
    assert attribute(errors.AccountProblem(Code.SIGN_IN_REFUSED), platform=True) is Blame.PLATFORM


def test_a_name_that_does_not_exist_is_told_from_a_name_server_that_is_silent():
    assert no_such_name(errors.Unreachable(Code.NAME_NOT_FOUND))
    assert not no_such_name(errors.NameServerSilent(Code.NAME_NOT_FOUND))
    assert not no_such_name(errors.Unreachable(Code.CONNECT_FAILED))


@pytest.mark.parametrize(
    ("error", "blame"),
    [
        (None, Blame.ANSWERED),
        (errors.Throttled(Code.THROTTLED), Blame.ANSWERED),
        (errors.Throttled(Code.TOO_MANY_CONNECTIONS), Blame.ANSWERED),
        (errors.Throttled(Code.NO_CONNECTION_FREE), Blame.NOTHING),
        (errors.Unreachable(Code.NO_CONNECTION_FREE), Blame.NOTHING),
        (errors.Temporary(Code.TEMPORARY_FAILURE), Blame.ANSWERED),
        (errors.Temporary(Code.INTERNAL_ERROR), Blame.NOTHING),
        (errors.Unreachable(Code.CONNECT_FAILED), Blame.ENDPOINT),
        (errors.Unreachable(Code.ENDPOINT_UNAVAILABLE), Blame.ENDPOINT),
        (errors.Unreachable(Code.TLS_FAILED), Blame.ENDPOINT),
        (errors.Unreachable(Code.REPLY_TIMEOUT), Blame.ACCOUNT),
        (errors.Temporary(Code.SIGN_IN_UNAVAILABLE), Blame.ACCOUNT),
        (errors.OutcomeUnknown(Code.OUTCOME_UNKNOWN, "no reply"), Blame.ACCOUNT),
        (errors.OutcomeUnknown(Code.OUTCOME_UNKNOWN, "stopped"), Blame.NOTHING),
    ],
    ids=str,
)
def test_only_the_lack_of_an_answer_counts_against_somebody(error, blame):
    assert attribute(error, platform=False) is blame
