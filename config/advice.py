"""What a failure means and what to do next, in words for an administrator; and what of it a tenant may see at all.

Pure: the table is :mod:`config.advice_rules`. Texts are msgids, translated by :class:`config.languages.Texts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from config.advice_rule import Case, provider_of
from config.advice_rules import INTERRUPTED, PROBLEMS, RULES, SETTINGS_CHANGED
from config.trial_values import TrialStage
from transports.errors import Code

__all__ = [
    "INTERRUPTED",
    "PROBLEMS",
    "SETTINGS_CHANGED",
    "Advice",
    "advise",
    "advise_stage",
    "shown_code",
    "shown_stage",
]

# Whether a name leads nowhere or into a network that is not for tenants, and whether a place there is closed, filtered
# or silent, would map the operator's own network for anybody who may fill in a form.
_SHOWN: Final[Mapping[Code, Code]] = {
    Code.ADDRESS_FORBIDDEN: Code.NAME_NOT_FOUND,
    Code.CONNECT_TIMEOUT: Code.CONNECT_FAILED,
}
_WITHOUT_DETAIL: Final = frozenset({Code.NAME_NOT_FOUND, Code.CONNECT_FAILED, Code.PORT_FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Advice:
    """Two msgids: what happened, and what to do next."""

    meaning: str
    next_step: str


def advise(
    code: str,
    *,
    stage: str = "",
    detail: str = "",
    host: str = "",
    port: int | None = None,
    security: str = "",
    kind: str = "",
) -> Advice:
    """The advice on a :class:`~transports.errors.Code` or one of :data:`PROBLEMS`; the rest makes it more exact.

    ``kind`` is a :class:`~config.choices.TransportKind`. An unknown code, which a newer version may have stored, gets
    the advice on ``internal_error``.
    """
    case = Case(stage, detail, provider_of(host, kind), port, security)
    shown = shown_code(Code(code)) if code in _CODES else code
    if shown in _HIDDEN:
        case = replace(case, detail="")
    for rule in RULES:
        if rule.fits(shown, case):
            return Advice(rule.meaning, rule.next_step)
    return advise(Code.INTERNAL_ERROR)


def advise_stage(stage: TrialStage, server: str, kind: str = "") -> Advice | None:
    """The advice on a stage of a trial, if it has a code: a failure or a remark.

    ``server`` is what was tried (``host:port``), ``kind`` its :class:`~config.choices.TransportKind`.
    """
    if stage.code is None:
        return None
    host, _, port = server.rpartition(":")
    return advise(
        stage.code,
        stage=stage.name,
        detail=stage.detail,
        host=host,
        port=int(port) if port.isascii() and port.isdigit() else None,
        security=dict(stage.facts).get("security", ""),
        kind=kind,
    )


def shown_code(code: Code) -> Code:
    """The code as a tenant sees it: what would tell about networks that are not theirs reads the same."""
    return _SHOWN.get(code, code)


def shown_stage(stage: TrialStage) -> TrialStage:
    """The stage as a tenant sees it: :func:`shown_code`, and no detail where that says more than the code."""
    if stage.code is None:
        return stage
    code = shown_code(stage.code)
    return replace(stage, code=code, detail="" if code in _WITHOUT_DETAIL else stage.detail)


_CODES: Final = frozenset(str(code) for code in Code)
_HIDDEN: Final = frozenset(str(code) for code in _WITHOUT_DETAIL)
