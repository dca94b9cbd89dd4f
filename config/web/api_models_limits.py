"""What the JSON API gives about limits: what is usual for the account, what was chosen, what is in force."""

from datetime import datetime

from config.limits import DayUnit
from config.web.api_model_parts import Output, Reason, example


class LimitValuesOut(Output):
    """Limits; `null`: no such limit."""

    connections: int
    """Most mails under way at once."""
    per_minute: int | None
    """Most mails that begin in any 60 seconds."""
    per_day: int | None
    """Most mails, or recipients, in any 24 hours; see `day_unit`."""


class ChosenLimitsOut(Output):
    """What the organisation chose; `null`: the usual limit, 0: no such limit."""

    connections: int | None
    per_minute: int | None
    per_day: int | None


class LimitsOut(Output):
    """How fast the organisation's account is used. Mail beyond a limit waits for its turn."""

    model_config = example(
        preset={"connections": 4, "per_minute": None, "per_day": 10_000},
        chosen={"connections": 2, "per_minute": None, "per_day": 0},
        effective={"connections": 2, "per_minute": None, "per_day": None},
        day_unit="recipients",
        version=7,
    )

    preset: LimitValuesOut
    """What is usual for an account of its provider."""
    chosen: ChosenLimitsOut
    effective: LimitValuesOut
    day_unit: DayUnit
    """What `per_day` counts."""
    version: int
    """That of the settings; limits do not change it. Send it back with the next change of the limits."""


class HeldBackOut(Output):
    """Delivery rests because the account or its server gave no answer; it goes on by itself."""

    code: Reason
    meaning: str
    """What happened, in a sentence."""
    next_step: str
    """What to check, in a sentence."""
    since: datetime
    next_try_at: datetime
    """When one mail is tried; the others follow once it was answered."""
