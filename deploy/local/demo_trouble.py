"""The demo's sample events that meet trouble on the way: put off, refused, too late, or broken. Data only."""

from datetime import datetime, timedelta

from deploy.local.demo_parts import (
    ACME,
    AWAY,
    BUSY,
    DEFAULT,
    GLOBEX,
    GONE,
    DeadLetter,
    Sample,
    event,
    to,
)


def troubled(now: datetime) -> tuple[Sample, ...]:
    """These events; ``now`` is when they happen."""
    return (*_put_off(now), *_refused(now), _expired(now), *_broken(now))


def _put_off(now: datetime) -> tuple[Sample, ...]:
    approved = event(
        now,
        ACME,
        "request.approved",
        to=[*to("ana@acme.example"), *to(AWAY)],
        subject="Your request was approved",
        text="One of the two recipients is put off at first.",
    )
    rights = event(
        now,
        GLOBEX,
        "rights_request.message",
        to=to(BUSY, "A Data Subject"),
        reply_to=to("case-42@reply.platform.example"),
        subject="Your request for access (case 42)",
        text="We have received it.",
        thread={"id": "case-42"},
    )
    return (
        Sample(
            "request, one of two put off",
            ACME,
            approved,
            mails=(("ana@acme.example",), (AWAY,)),
            refusals=("451 4.3.0",),
            retries=1,
        ),
        Sample(
            "rights request, mail put off after DATA",
            GLOBEX,
            rights,
            mails=((BUSY,),),
            refusals=("452 4.3.1",),
            retries=1,
        ),
    )


def _refused(now: datetime) -> tuple[Sample, ...]:
    gone = event(now, ACME, "task.assigned", to=to(GONE), subject="A task for someone gone", text="Hello?")
    incident = event(
        now,
        GLOBEX,
        "incident.opened",
        to=[*to("kai@globex.example"), *to(GONE)],
        subject="Incident 9 was opened",
        text="One of the two recipients is gone.",
    )
    return (
        Sample(
            "task, recipient refused",
            ACME,
            gone,
            refusals=("550 5.1.1",),
            dead=DeadLetter("recipient_refused", detail="550 5.1.1", owed="0"),
        ),
        Sample(
            "incident, one of two refused",
            GLOBEX,
            incident,
            mails=(("kai@globex.example",),),
            refusals=("550 5.1.1",),
            dead=DeadLetter("recipient_refused", detail="550 5.1.1", owed="1"),
        ),
    )


def _expired(now: datetime) -> Sample:
    late = event(now, DEFAULT, "reminder.due", to=to("jo@initech.example"), subject="Due yesterday", text="Too late.")
    late["expirytime"] = (now - timedelta(hours=1)).isoformat()
    return Sample("reminder, expired", DEFAULT, late, dead=DeadLetter("expired"))


def _broken(now: datetime) -> tuple[Sample, ...]:
    """Events that ``mailroom publish`` would refuse, so another program puts them on the broker."""
    bad = event(now, GLOBEX, "task.broken", to=to("not an address"), subject="Broken", text="Never seen.")
    mixed = event(now, GLOBEX, "audit.mixed", to=to("kai@globex.example"), subject="Whose is it?", text="Never seen.")
    return (
        Sample(
            "task, invalid address",
            GLOBEX,
            bad,
            dead=DeadLetter("invalid_event", field="data.to[0].address"),
            headers={"organizationid": GLOBEX.id},
        ),
        Sample(
            "audit, header names another organisation",
            GLOBEX,
            mixed,
            dead=DeadLetter("invalid_event", field="organizationid"),
            headers={"organizationid": ACME.id},
        ),
    )
