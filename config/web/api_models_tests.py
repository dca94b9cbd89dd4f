"""What the JSON API gives about tests, stage by stage."""

from datetime import datetime
from typing import Annotated

from pydantic import WithJsonSchema

from config.advice import PROBLEMS
from config.choices import TransportKind
from config.trial_values import STAGES, TrialState, TrialSubject
from config.web.api_model_parts import AT, ActorOut, Output, Reason, example

StageName = Annotated[str, WithJsonSchema({"type": "string", "enum": list(STAGES)})]
TestProblem = Annotated[str, WithJsonSchema({"type": "string", "enum": list(PROBLEMS)})]


class TestStageOut(Output):
    """One stage that has ended. The first that fails is the last."""

    __test__ = False

    name: StageName
    ok: bool
    seconds: float
    """How long it took."""
    code: Reason | None
    """Why it failed; of one that passed, what is worth knowing about it."""
    meaning: str
    """What the code means, in a sentence; empty without one."""
    next_step: str
    """What to do now, in a sentence; empty without a code."""
    detail: str
    """The numbers of the server's reply, such as `535 5.7.8`; never its text."""
    facts: dict[str, str]
    """What was learnt on the way, such as the TLS version or the day the certificate expires."""


class TestProblemOut(Output):
    """What became of a test besides the failure of a stage."""

    __test__ = False

    code: TestProblem
    """`settings_changed`: all stages passed, but somebody else changed the settings meanwhile; `interrupted`: the
    service was restarted; the others are faults of ours, and nothing is wrong with the settings."""
    meaning: str
    next_step: str


class TestOut(Output):
    """One run of *Save and test*."""

    __test__ = False
    model_config = example(
        id="01JD7Q5Y4T",
        subject="candidate",
        state="failed",
        kind="smtp",
        server="smtp.acme.example:587",
        sender="notifications@acme.example",
        by={"kind": "administrator", "name": "Ada", "email": "ada@acme.example"},
        began_at=AT,
        ended_at="2026-11-21T12:00:01Z",
        stages=[
            {
                "name": "address",
                "ok": False,
                "seconds": 0.02,
                "code": "name_not_found",
                "meaning": "The server's name was not found.",
                "next_step": "Check the spelling of the host name.",
                "detail": "",
                "facts": {},
            }
        ],
        version=None,
        problem=None,
        confirmed_at=None,
    )

    id: str
    subject: TrialSubject
    """`candidate`: settings that were sent with the request; `active`: those in use."""
    state: TrialState
    """`interrupted`: the service was restarted meanwhile; start the test again."""
    kind: TransportKind
    server: str
    """What was tried: `host:port` of a server, or the address of a connected account."""
    sender: str
    by: ActorOut
    began_at: datetime
    ended_at: datetime | None
    stages: list[TestStageOut]
    """The stages that have ended, in their order."""
    version: int | None
    """The version of the settings that passed, which are in use since."""
    problem: TestProblemOut | None
    """What became of the test besides the failure of a stage."""
    confirmed_at: datetime | None
    """When the code of its mail was entered."""
