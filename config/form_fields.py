"""Reading the fields of a form one after the other, and gathering everything that is wrong with them. No texts."""

from collections.abc import Callable, Mapping


class FormFields:
    """The text fields of ``form``; ``missing`` has the sentence for each that must be given.

    ``problems`` are pairs of field and sentence, in the order the fields were read; more may be added.
    """

    def __init__(self, form: object, missing: Mapping[str, str]) -> None:
        self._form = form
        self._missing = missing
        self.problems: list[tuple[str, str]] = []

    def read(self, name: str, *checks: Callable[[str], str]) -> str:
        """The field, trimmed and as the checks make it one after the other.

        A check raises ``ValueError`` with a sentence; that becomes a problem, and the text stays as it was by then.
        """
        text = str(getattr(self._form, name)).strip()
        if not text:
            self.problems.append((name, self._missing[name]))
            return text
        try:
            for check in checks:
                text = check(text)
        except ValueError as error:
            self.problems.append((name, error.args[0]))
        return text
