"""From the program's values to the API's answers about limits and what is held back, in the reader's language."""

from config.choices import AccountLimits, Summary
from config.held_back import HeldBack
from config.languages import Texts
from config.limit_overrides import by_name, shown
from config.web import api_models_limits as api
from config.web.api_model_parts import shown_reason
from config.web.views_limits import held_advice


def limits_out(limits: AccountLimits, version: int) -> api.LimitsOut:
    """How fast an account is used."""
    return api.LimitsOut(
        preset=api.LimitValuesOut(**by_name(limits.preset)),
        chosen=api.ChosenLimitsOut(**shown(limits.chosen)),
        effective=api.LimitValuesOut(**by_name(limits.effective)),
        day_unit=limits.effective.day_unit,
        version=version,
    )


def held_back_out(held: HeldBack, summary: Summary, texts: Texts) -> api.HeldBackOut:
    """Why mail waits though nothing needs to be mended here."""
    advice = held_advice(held, summary)
    return api.HeldBackOut(
        code=shown_reason(held.reason),
        meaning=texts.sentence(advice.meaning),
        next_step=texts.sentence(advice.next_step),
        since=held.since,
        next_try_at=held.next_try,
    )
