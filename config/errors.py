"""What can go wrong around configuration, secrets and the store.

These stand apart from :class:`transports.errors.DeliveryError`: none of them says anything about a mail. Their texts
are ours, plain words for an operator, and never hold a secret, an address or a driver's text; so they may be logged
and shown as they are. The exception that caused one may hold such values: it is chained, and the log shows only its
type and place.
"""

from collections.abc import Iterable


class ConfigError(Exception):
    """The base of this family; its text is safe to log and to show."""


class ConfigurationError(ConfigError):
    """The process cannot run with the settings it was given.

    ``problems`` has every mistake found, each one sentence that names the variable and says what to write.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class WrongSecretKey(ConfigurationError):
    """The keys in MAILROOM_SECRET_KEYS do not open this database; nothing is started with them."""


class StoreUnavailable(ConfigError):
    """The database did not answer in time, or not properly; the question stays open and must be held, not guessed."""


class SchemaOutdated(ConfigError):
    """The database has another schema than this version of the code; ``newer`` tells on which side it is."""

    def __init__(self, text: str, *, newer: bool = False) -> None:
        super().__init__(text)
        self.newer = newer


class SecretUnreadable(ConfigError):
    """A sealed value cannot be opened: unknown key, another organisation or field, or it was changed."""


class SettingsUnreadable(ConfigError):
    """An organisation *has* settings, but they cannot be read.

    It must be treated as hold, never as "nothing configured" (R6). ``organization`` is the organisation.
    """

    def __init__(self, organization: str, problem: str) -> None:
        super().__init__(f"the settings of organisation {organization} cannot be read: {problem}")
        self.organization = organization
        self.problem = problem


class UnknownOrganization(ConfigError):
    """The organisation has no settings here."""

    def __init__(self, organization: str) -> None:
        super().__init__(f"organisation {organization} has no transport configured")
        self.organization = organization


class InvalidSettings(ConfigError):
    """Settings for an organisation were refused; ``problems`` are pairs of field name and sentence, never values."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{field}: {sentence}" for field, sentence in self.problems))


class SettingsChanged(ConfigError):
    """Somebody else changed the organisation's settings since the ones a change was based on; nothing was changed."""

    def __init__(self, organization: str) -> None:
        super().__init__(f"the settings of organisation {organization} were changed meanwhile; look at them again")
        self.organization = organization


class TrialEnded(ConfigError):
    """A change came of a test that had been taken for ended meanwhile; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("the test had ended before its settings could come into use")


class TrialRunning(ConfigError):
    """The organisation's settings are being tested at this moment; ``id`` is the trial under way."""

    def __init__(self, trial_id: str) -> None:
        super().__init__("a test is running for this organisation; wait until it has ended")
        self.id = trial_id


class TooManyAttempts(ConfigError):
    """Something was tried too often; ``retry_after`` seconds (at least 1) from now it may be tried again."""

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"too many {what}; try again in {retry_after} s")
        self.retry_after = retry_after


class TooManyTrials(TooManyAttempts):
    """The organisation, or the administrator, has begun too many trials of late."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("tests", retry_after)


class TooManyCodes(TooManyAttempts):
    """Too many wrong confirmation codes were entered for the organisation of late."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("wrong codes", retry_after)
