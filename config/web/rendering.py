"""Pages out of templates: everything is escaped, a missing value is an error, texts come in the reader's language.

What a page shows is decided before, in the view models (``views*.py``); templates only lay it out.
"""

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from config.languages import Sentence, Texts, texts
from config.web.assets import Assets

TEMPLATES: Final = Path(__file__).parent / "templates"
_CUT: Final = Markup("<!--cut-->")


def page(template: str, language: str, **values: object) -> str:
    """A whole page; ``values`` always have ``shell``, a :class:`~config.web.views.Shell`."""
    return _environment(language).get_template(template).render(values)


def pieces(template: str, language: str, **values: object) -> tuple[str, ...]:
    """A page in the pieces between its cuts, for one that is sent while it still grows."""
    return tuple(page(template, language, cut=_CUT, **values).split(_CUT))


@lru_cache
def _environment(language: str) -> Environment:
    """One for each language, so that compiled templates know their texts."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(_functions(texts(language)))
    return environment


def _functions(spoken: Texts) -> dict[str, object]:
    """What templates may call. ``_`` and ``ngettext`` are the names that extraction looks for."""

    def gettext(msgid: str, **params: object) -> Markup:
        return _filled(spoken, spoken.gettext(msgid), params)

    def ngettext(singular: str, plural: str, count: int, **params: object) -> Markup:
        shown = spoken.ngettext(singular, plural, count)
        return _filled(spoken, shown, {"count": spoken.number(count), **params})

    def say(text: str) -> Markup:
        if isinstance(text, Sentence):
            return gettext(text.msgid, **text.params)
        return escape(spoken.gettext(text))

    return {
        "_": gettext,
        "ngettext": ngettext,
        "say": say,
        "date": spoken.date,
        "day": spoken.day,
        "number": spoken.number,
        "language": spoken.language,
        "iso": iso,
        "capital": capital,
        "static": static_url,
    }


def _filled(spoken: Texts, text: str, params: dict[str, object]) -> Markup:
    """The text with its parameters, each escaped unless a macro made it."""
    shown = {name: _shown(spoken, value) for name, value in params.items()}
    return escape(text).format(**shown) if shown else escape(text)


def _shown(spoken: Texts, value: object) -> object:
    return spoken.sentence(value) if isinstance(value, Sentence) else value


def iso(at: datetime) -> str:
    """A moment for machines, RFC 3339 to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def capital(text: str) -> Markup:
    """Half a sentence as a whole one: with a capital letter and a full stop."""
    shown = escape(text)
    ended = "" if str(shown).endswith((".", "!", "?")) else "."
    return Markup(f"{shown[:1].upper()}{shown[1:]}{ended}")  # noqa: S704 - both parts were escaped above


@lru_cache
def static_files() -> Assets:
    """The style sheet and the logo, read once."""
    return Assets(Path(__file__).parent / "static")


def static_url(name: str) -> str:
    """Where a file of ``static/`` is served; the address changes with its content."""
    return static_files().url(name)
