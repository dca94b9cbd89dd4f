"""How the JSON API says that something is wrong: problem details (RFC 9457)."""

from pydantic import BaseModel, ConfigDict


class MistakeOut(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    field: str
    """The field's name, with dots between levels."""
    message: str
    """Half a sentence that fits behind the field's name; it never repeats the value."""


class ProblemOut(BaseModel):
    """A problem (RFC 9457). `code` never changes its meaning; `title` and `detail` are in the reader's language."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:mailroom:problem:settings_changed",
                    "title": "The settings are others by now",
                    "status": 409,
                    "detail": "Somebody else changed the settings since you read them, so nothing was saved. "
                    "Look at the settings once more, then repeat your change.",
                    "code": "settings_changed",
                }
            ]
        },
    )

    type: str
    """`urn:mailroom:problem:` and the code."""
    title: str
    status: int
    detail: str
    """What happened, and what to do now."""
    code: str
    """What programs go by; see each answer for the codes it can have."""
    errors: list[MistakeOut] | None = None
    """The fields that are wrong, if it is about fields."""
    test: str | None = None
    """The `id` of the test that it is about, such as the one that is running."""
    retry_after: int | None = None
    """In how many seconds it may be tried again, as in the header `Retry-After`."""
    incident: str | None = None
    """What the operator finds it under in the log, if the mistake is ours."""
