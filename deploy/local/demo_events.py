"""The demo's sample events, each with what must become of it. Data only; nothing is sent here.

The expectations are written down by hand and not computed by the product, so that they can contradict it. Events that
meet trouble on the way are in :mod:`deploy.local.demo_trouble`.
"""

from datetime import datetime
from typing import Final

from deploy.local.demo_parts import ACME, DEFAULT, GLOBEX, HOOLI, UMBRELLA, Sample, attachment, event, to
from deploy.local.demo_trouble import troubled

_BADGE: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_REPORT: Final = bytes(range(256)) * 300
"""No text and longer than one line, so that a damaged byte or line end would be seen."""


def samples(now: datetime) -> tuple[Sample, ...]:
    """All sample events; ``now`` is when they happen."""
    return (*_default(now), *_acme(now), *_globex(now), *_umbrella(now), *_hooli(now), *troubled(now))


def _default(now: datetime) -> tuple[Sample, ...]:
    task = event(
        now,
        DEFAULT,
        "task.created",
        to=to("jo@initech.example", "Jo Doe"),
        subject="A task was assigned to you",
        text="Please review the register.\n.A line with a dot in front.\n",
        html="<p>Please review the <b>register</b>.</p>",
        workspace_id="w1",
    )
    step = event(
        now,
        DEFAULT,
        "workflow.step_done",
        to=to("lee@initech.example", "Lee, Office"),
        cc=to("kim@initech.example"),
        bcc=to("archive@initech.example"),
        subject="Step 3 of 5 is done",
        text="The assessment goes on.",
    )
    foreign = event(
        now,
        DEFAULT,
        "request.created",
        to=to("sam@initech.example"),
        subject="A request waits for you",
        text="It was published without a partition, as a platform in another language may do.",
    )
    everyone = ("lee@initech.example", "kim@initech.example", "archive@initech.example")
    return (
        Sample("task, text and HTML", DEFAULT, task, mails=(("jo@initech.example",),)),
        Sample("workflow, with cc and bcc", DEFAULT, step, mails=(everyone,)),
        Sample(
            "request, published without a partition",
            DEFAULT,
            foreign,
            mails=(("sam@initech.example",),),
            headers={"organizationid": DEFAULT.id},
        ),
    )


def _acme(now: datetime) -> tuple[Sample, ...]:
    comment = event(
        now,
        ACME,
        "comment.added",
        to=to("ana@acme.example", "Ana"),
        reply_to=to("thread-7@reply.platform.example", "ACME thread"),
        subject="New comment on “Records of processing”",
        text="Is this still right?",
        thread={"id": "comments-7"},
    )
    answer = event(
        now,
        ACME,
        "comment.answered",
        to=to("ben@acme.example"),
        reply_to=to("thread-7@reply.platform.example", "ACME thread"),
        subject="Re: New comment on “Records of processing”",
        text="Yes, it is.",
        thread={"id": "comments-7", "in_reply_to": "<question-77@partner.example>"},
    )
    audit = event(
        now,
        ACME,
        "audit.invitation",
        to=to("respondent@partner.example"),
        subject="You are invited to answer an audit",
        html="<p>The questions are attached.</p>",
        attachments=[attachment("Prüfung 2026.pdf", "application/pdf", _REPORT)],
    )
    alert = event(
        now,
        ACME,
        "compliance_alert.raised",
        to=to("zoë@müller.example", "Zoë Müller"),
        subject="High risk: a transfer has no legal basis",
        text="Please act today.",
        priority="high",
        locale="en",
    )
    return (
        Sample("comment, thread with reply-to", ACME, comment, mails=(("ana@acme.example",),)),
        Sample(
            "comment, answer in the same thread",
            ACME,
            answer,
            mails=(("ben@acme.example",),),
            fields={"In-Reply-To": "<question-77@partner.example>"},
        ),
        Sample("audit invitation, attachment of 75 KB", ACME, audit, mails=(("respondent@partner.example",),)),
        Sample(
            "compliance alert, high priority, SMTPUTF8",
            ACME,
            alert,
            mails=(("zoë@müller.example",),),
            fields={"Content-Language": "en"},
        ),
    )


def _globex(now: datetime) -> tuple[Sample, ...]:
    invitation = event(
        now,
        GLOBEX,
        "invitation.new_user",
        to=to("team@müller.example", "Jörg Ünsal, 田中"),
        subject="Willkommen bei Globex – ваш доступ ✓ 日本語の件名も、長くても大丈夫です",
        text="Grüß Gott!\n日本語\n",
        html='<p>Grüß Gott!</p><img src="cid:badge@globex" alt="badge">',
        attachments=[
            {"name": "badge.png", "type": "image/png", "content": _BADGE, "cid": "badge@globex"},
            attachment("notes.txt", "text/plain", "Zeile – 1\nZeile 2\n".encode()),
        ],
    )
    reminder = event(
        now,
        GLOBEX,
        "reminder.weekly",
        to=to("kai@globex.example"),
        subject="Three things are open",
        text="…",
        list_unsubscribe=["https://platform.example/u/12", "mailto:unsubscribe@platform.example"],
    )
    return (
        Sample(
            "invitation, picture, IDN domain, non-ASCII", GLOBEX, invitation, mails=(("team@xn--mller-kva.example",),)
        ),
        Sample(
            "reminder, one-click unsubscribe",
            GLOBEX,
            reminder,
            mails=(("kai@globex.example",),),
            fields={
                "List-Unsubscribe": "<https://platform.example/u/12>, <mailto:unsubscribe@platform.example>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
        ),
    )


def _umbrella(now: datetime) -> tuple[Sample, ...]:
    escalated = event(
        now,
        UMBRELLA,
        "incident.escalated",
        to=[*to("kim@umbrella.example", "Kim Ötzi"), *to("sam@partner.example")],
        cc=to("lee@umbrella.example"),
        subject="Incident 12 was escalated – bitte prüfen",
        text="Please look at it today.\n",
        html="<p>Please look at it <b>today</b>.</p>",
        attachments=[attachment("Bericht.pdf", "application/pdf", _REPORT)],
    )
    mentioned = event(
        now,
        UMBRELLA,
        "comment.mentioned",
        to=to("kim@umbrella.example"),
        bcc=to("archive@umbrella.example"),
        reply_to=to("thread-9@reply.platform.example", "Umbrella thread"),
        subject="You were mentioned",
        text="@kim, is this right?",
        thread={"id": "comments-9"},
    )
    everyone = ("kim@umbrella.example", "sam@partner.example", "lee@umbrella.example")
    return (
        Sample("incident, by Microsoft Graph, attachment", UMBRELLA, escalated, mails=(everyone,)),
        Sample(
            "comment, by Microsoft Graph, with bcc",
            UMBRELLA,
            mentioned,
            mails=(("kim@umbrella.example", "archive@umbrella.example"),),
        ),
    )


def _hooli(now: datetime) -> tuple[Sample, ...]:
    received = event(
        now,
        HOOLI,
        "rights_request.received",
        to=to("jo@hooli.example", "Jo"),
        cc=to("zoë@müller.example"),
        bcc=to("archive@hooli.example"),
        subject="A request for erasure came in – ✓",
        text="It is due in 30 days.",
        html="<p>It is due in <i>30 days</i>.</p>",
        attachments=[{"name": "badge.png", "type": "image/png", "content": _BADGE, "cid": "badge@hooli"}],
    )
    waiting = event(
        now,
        HOOLI,
        "request.waiting",
        to=to("jo@hooli.example"),
        subject="A request waits",
        text="It waited for the account to be connected again.",
        thread={"id": "requests-3"},
    )
    everyone = ("jo@hooli.example", "zoë@müller.example", "archive@hooli.example")
    return (
        Sample("rights request, by Gmail, cc and bcc", HOOLI, received, mails=(everyone,)),
        Sample("request, while the consent is taken back", HOOLI, waiting, mails=(("jo@hooli.example",),), parks=True),
    )
