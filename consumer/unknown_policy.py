"""Whether a mail that may have arrived is sent again or held for a person to decide: the event's word counts most."""

from consumer.events import Event


def hold_unknown(event: Event, held_categories: frozenset[str]) -> bool:
    """Whether an event without a known outcome becomes a dead letter instead of being sent once more.

    An event that says nothing of it is held if its category is one of ``held_categories``.
    """
    said = event.data.on_unknown
    return event.category in held_categories if said is None else said == "hold"
