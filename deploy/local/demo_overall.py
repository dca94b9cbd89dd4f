"""What must hold for the demo as a whole, beyond the single events: nothing extra, nothing left, nothing told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from deploy.local.demo_broker import Letter
from deploy.local.demo_checks import Mail
from deploy.local.demo_parts import ORGANIZATIONS, Sample
from deploy.local.demo_settings import STAGES, Saved

_TRANSPORTS: Final = {"": "smtp", "microsoft": "microsoft365", "google": "gmail"}


@dataclass(frozen=True, slots=True)
class Check:
    """One sentence that must be true; ``problem`` says what was seen instead."""

    what: str
    problem: str = ""


class Metrics:
    """The consumer's metrics page, read."""

    def __init__(self, page: str) -> None:
        self._samples = [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        ]

    def total(self, metric: str, **labels: str) -> float:
        """The sum over all series of a metric that have these labels."""
        return sum(value for name, found, value in self._samples if name == metric and labels.items() <= found.items())

    def by(self, metric: str, label: str) -> dict[str, float]:
        """The sums by one label, without zeros."""
        values = {found.get(label, "") for name, found, _ in self._samples if name == metric}
        return {value: total for value in sorted(values) if (total := self.total(metric, **{label: value}))}


def nothing_extra(samples: Sequence[Sample], mails: Sequence[Mail], letters: Sequence[Letter]) -> Check:
    """Every mail and every dead letter belongs to an event that was published."""
    known = {sample.id for sample in samples}
    strangers = [mail.taken.file.name for mail in mails if mail.event_id not in known]
    strangers += [letter.event_id for letter in letters if letter.event_id not in known]
    return Check("nothing arrived that was not asked for", ", ".join(strangers))


def own_servers(mails: Sequence[Mail]) -> Check:
    """Each server saw its own organisation's sender only, in the envelope and in the From field (R5, R6, R9)."""
    owners = {one.server: one.address for one in ORGANIZATIONS}
    wrong = [
        f"{mail.taken.file.name} from {mail.taken.envelope.sender}"
        for mail in mails
        if {mail.taken.envelope.sender, *(address for _, address in mail.reading.mailboxes("from"))}
        != {owners[mail.taken.server]}
    ]
    return Check(
        "every organisation's mail left by its own server and sender, none by the platform's", ", ".join(wrong)
    )


def threads(samples: Sequence[Sample], mails: Sequence[Mail]) -> Check:
    """Mails of one thread refer to the same root, which a mail program groups them by."""
    roots: dict[tuple[str, str], set[str]] = {}
    by_id = {sample.id: sample for sample in samples}
    for mail in mails:
        sample = by_id.get(mail.event_id)
        thread = sample.event["data"].get("thread") if sample is not None else None
        if sample is not None and thread is not None:
            first = mail.reading.fields.get("references", "").split(" ")[0]
            roots.setdefault((sample.organization.id, thread["id"]), set()).add(first)
    split = [thread for (_, thread), found in roots.items() if len(found) != 1 or "" in found]
    return Check("mails of one thread have one common reference", ", ".join(split))


def empty(depths: Mapping[str, int]) -> Check:
    """No queue but that of dead letters holds anything."""
    left = ", ".join(f"{count} in {queue}" for queue, count in depths.items())
    return Check("all queues are empty but for the dead letters", left)


def saved_and_tested(saved: Saved) -> Iterator[Check]:
    """*Save and test* did what it says, its mail came by the new server (R11), and its code verified the settings."""
    one, who = saved.organization, f"{saved.organization.id}, configured on the settings page"
    passed = tuple(name for name, ok, _ in saved.stages if ok)
    yield Check(f"{who}: every stage of the test passed", "" if passed == STAGES else saved.happened)
    came = [(mail.server, mail.envelope.sender, mail.envelope.user, mail.envelope.recipients) for mail in saved.mails]
    wanted = [(one.server, one.address, one.username, (saved.administrator.email,))]
    yield Check(
        f"{who}: one test mail, by its own server, to its administrator alone", "" if came == wanted else f"{came}"
    )
    states = (saved.state, saved.connected, saved.verified)
    wrong = "" if states == ("passed", "connected", "verified") else ", then ".join(states)
    yield Check(f"{who}: connected after the test, verified by the code in its mail", wrong)
    missing = [word for word in (one.address, one.alias) if word not in saved.page]
    yield Check(f"{who}: a viewer sees it on the page", f"not on the page: {', '.join(missing)}" if missing else "")


def counted(samples: Sequence[Sample], metrics: Metrics) -> Iterator[Check]:
    """The metrics say the same as the table."""
    handoffs: dict[str, float] = {}
    for one in samples:
        transport = _TRANSPORTS[one.organization.provider] if one.organization.own else "default"
        handoffs[transport] = handoffs.get(transport, 0) + len(one.mails)
    sent = [one for one in samples if one.dead is None or one.dead.reason not in ("invalid_event", "expired")]
    wanted = {
        "mailroom_handoffs_total": {"transport": handoffs},
        "mailroom_events_received_total": {"category": _count(one.category for one in sent)},
        "mailroom_dead_letters_total": {"reason": _count(one.dead.reason for one in samples if one.dead)},
    }
    for metric, labels in wanted.items():
        for label, values in labels.items():
            found = metrics.by(metric, label)
            yield Check(f"{metric} by {label}", "" if found == values else f"{found}, expected {values}")
    retries = sum(sample.retries for sample in samples)
    found_retries = metrics.total("mailroom_outcomes_total", outcome="retry")
    yield Check("retries in mailroom_outcomes_total", "" if found_retries == retries else f"{found_retries}")
    for metric, value in (("mailroom_broker_connected", 1), ("mailroom_parked_organizations", 0)):
        seen = metrics.total(metric)
        yield Check(f"{metric} is {value}", "" if seen == value else f"{seen}")


def discreet(samples: Sequence[Sample], secrets: Sequence[str], places: Mapping[str, bytes]) -> Iterator[Check]:
    """No recipient, subject, text or secret is in logs, metrics or database (R18)."""
    words: set[str] = set(secrets)
    for sample in samples:
        data = sample.event["data"]
        words |= {one["address"] for key in ("to", "cc", "bcc") for one in data.get(key, ())}
        words |= {data["subject"], *(data[key].strip() for key in ("text", "html") if len(data.get(key, "")) > 5)}
    for place, content in places.items():
        told = sorted(word for word in words if word.encode() in content)
        yield Check(f"no recipient, subject, text, password or token in the {place}", ", ".join(told))


def _count(values: Iterator[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found
