"""The languages people are spoken to, and the texts in them.

A *msgid* is the English text itself. It is marked with :func:`N_` where it stands in a table, or filled in by
:meth:`Sentence.of` where it has parameters; whoever shows it asks a :class:`Texts` for it. The catalogues of a language
are all ``locale/<language>/LC_MESSAGES/*.po``, read once at first use; what none of them has is shown in English.
"""

import datetime as dt
import io
from collections.abc import Mapping
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final, Self

from babel import Locale
from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES: Final = ("en", "fr")
"""ISO 639-1; the first is the one of the msgids, and taken where nobody asked for another."""
LOCALE_FOLDER: Final = Path(__file__).parent / "locale"

_LOCALES: Final = {"en": Locale("en", "GB"), "fr": Locale("fr", "FR")}
_LONGEST_HEADER: Final = 1000
_SEPARATOR: Final = {"en": " ", "fr": " à "}


def N_(text: str) -> str:  # noqa: N802 - the name that gettext's tools look for
    """Marks ``text`` as a msgid; it is translated where it is shown."""
    return text


class Sentence(str):
    """A text with parameters that can still be translated: it reads as the English one.

    ``msgid`` is the text with ``{name}`` for each of ``params``, whose values may be sentences themselves. A sentence
    without parameters may be a plain ``str``, marked with :func:`N_`.
    """

    msgid: str
    params: Mapping[str, object]

    def __new__(cls, text: str, msgid: str | None = None, params: Mapping[str, object] | None = None) -> Self:
        made = super().__new__(cls, text)
        made.msgid = text if msgid is None else msgid
        made.params = {} if params is None else params
        return made

    @classmethod
    def of(cls, msgid: str, /, **params: object) -> Self:
        """``Sentence.of("must be one of {ports}", ports="25, 465")``; extraction knows this call as a msgid's place."""
        return cls(msgid.format(**params) if params else msgid, msgid, params)


class Texts:
    """What is shown to somebody who reads ``language``."""

    def __init__(self, language: str, translations: NullTranslations) -> None:
        self.language = language
        self._locale = _LOCALES[language]
        self._translations = translations

    def gettext(self, msgid: str) -> str:
        """The text of ``msgid`` in this language, its ``{…}`` left as they are."""
        # The empty msgid is the catalogue's header.
        return self._translations.gettext(msgid) if msgid else ""

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """The form that ``number`` asks for; French counts 0 as singular."""
        return self._translations.ngettext(singular, plural, number)

    def fill(self, msgid: str, /, **params: object) -> str:
        """The text of ``msgid`` with its ``{name}`` filled in; sentences among the values are translated too."""
        shown = {name: self.sentence(value) if isinstance(value, Sentence) else value for name, value in params.items()}
        return self.gettext(msgid).format(**shown) if shown else self.gettext(msgid)

    def sentence(self, text: str) -> str:
        """A :class:`Sentence` or a plain msgid in this language."""
        return self.fill(text.msgid, **text.params) if isinstance(text, Sentence) else self.gettext(text)

    def date(self, when: dt.datetime) -> str:
        """A moment to the minute, in UTC and saying so: ``21 November 2026 08:00 UTC``.

        Raises:
            ValueError: ``when`` has no time zone.
        """
        if when.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        at = when.astimezone(dt.UTC)
        return f"{self.day(at.date())}{_SEPARATOR[self.language]}{format_time(at, 'HH:mm', locale=self._locale)} UTC"

    def day(self, when: dt.date) -> str:
        """A day: ``21 November 2026``."""
        return format_date(when, "long", locale=self._locale)

    def number(self, value: float) -> str:
        """A number with at most two decimals: ``1,234.5`` or ``1 234,5``."""
        return format_decimal(value, "#,##0.##", locale=self._locale)


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> Texts:
    """The texts of one of :data:`LANGUAGES`; ``KeyError`` for any other."""
    return Texts(language, catalogue(LOCALE_FOLDER, language) if language != LANGUAGES[0] else NullTranslations())


def negotiate(accept_language: str | None, preferred: str | None = None) -> str:
    """One of :data:`LANGUAGES`: the ``preferred`` one if we have it, else the best of an ``Accept-Language`` header.

    Both take regional forms (``fr-CA``). What cannot be read is passed over (RFC 9110 §12.5.4).
    """
    if preferred and (chosen := _known(preferred)):
        return chosen
    wishes: list[tuple[float, str]] = []
    for part in (accept_language or "")[:_LONGEST_HEADER].split(","):
        tag, _, parameter = part.partition(";")
        name, _, value = parameter.strip().partition("=")
        try:
            quality = float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            continue
        if 0 < quality <= 1 and (language := LANGUAGES[0] if tag.strip() == "*" else _known(tag)):
            wishes.append((quality, language))
    # max() keeps the first of equals, as the header's order asks.
    return max(wishes, key=lambda wish: wish[0])[1] if wishes else LANGUAGES[0]


def _known(tag: str) -> str | None:
    language = tag.strip().lower().replace("_", "-").split("-")[0]
    return language if language in LANGUAGES else None


def catalogue(folder: Path, language: str) -> NullTranslations:
    """All catalogues of a language in one; a text translated twice keeps the one of the first file.

    What is marked as fuzzy there counts as not translated.
    """
    merged = NullTranslations()
    for file in sorted((folder / language / "LC_MESSAGES").glob("*.po"), reverse=True):
        with file.open("rb") as source:
            read = read_po(source, locale=language)
        compiled = io.BytesIO()
        write_mo(compiled, read)
        compiled.seek(0)
        translations = GNUTranslations(compiled)
        translations.add_fallback(merged)
        merged = translations
    return merged
