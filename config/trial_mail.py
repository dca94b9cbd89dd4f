"""The mail of *Save and test*, from which an administrator sees that it came by their own server and sender (R11).

Everything in it that somebody entered is put on one line and, in the HTML, escaped; the header fields are guarded by
the composer (:mod:`transports.headers`). Nothing here sends.
"""

from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote

from config.actors import Actor, ActorKind
from config.languages import Texts
from config.trial_codes import shown
from config.trial_values import Trial
from transports.message import Mail, Mailbox
from transports.mime_addresses import wire_address

VERIFY_PATH: Final = "/settings/verify"

_LONGEST: Final = 300
_HEADERS: Final = (
    ("Auto-Submitted", "auto-generated"),  # RFC 3834 §5
    ("X-Auto-Response-Suppress", "All"),  # for Exchange, where Auto-Submitted may be stripped
)
_STYLE: Final = "font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;color:#1a1a1a;background:#fff"
_CODE_STYLE: Final = "font-family:ui-monospace,monospace;font-size:22px;letter-spacing:1px;white-space:nowrap"


@dataclass(frozen=True, slots=True)
class _Content:
    """What both parts of the mail say, in the reader's language."""

    title: str
    opening: str
    facts: tuple[tuple[str, str], ...]
    confirm: str
    link: str
    code: str
    traces_title: str
    traces: tuple[str, ...]
    closing: tuple[str, ...]


def compose(trial: Trial, *, sender: Mailbox, to: Mailbox, code: str, base_url: str | None, texts: Texts) -> Mail:
    """The mail of a trial, from ``sender`` to ``to`` alone; with ``base_url`` it has a link that fills the code in."""
    domain = wire_address(sender.address).rpartition("@")[2]
    message_id = f"<{trial.id}@{domain}>"
    organization = line(trial.organization)
    link = f"{base_url.rstrip('/')}{VERIFY_PATH}?code={quote(shown(code))}" if base_url else ""
    content = _Content(
        title=texts.fill("Test of the mail settings of {organization}", organization=organization),
        opening=texts.fill(
            "This mail tests the mail settings of {organization}. It left through the organisation’s own mail server, "
            "as its notifications do once these settings are in use.",
            organization=organization,
        ),
        facts=_facts(trial, sender, texts),
        confirm=_confirm(link, texts),
        link=link,
        code=shown(code),
        traces_title=texts.gettext("How you see that this mail came by your own server"),
        traces=_traces(sender, domain, message_id, texts),
        closing=(
            texts.gettext("The code is good for seven days and can be used once."),
            texts.gettext(
                "If nobody you know has asked for this test, do not use the code and tell the platform’s support."
            ),
        ),
    )
    return Mail(
        message_id=message_id,
        date=trial.began_at,
        sender=sender,
        to=(to,),
        owed=(0,),
        subject=content.title,
        text=_text(content, texts.gettext("{name}: {value}")),
        html=_html(content, texts.language),
        headers=(*_HEADERS, ("Content-Language", texts.language)),
    )


def line(text: str) -> str:
    """Text that somebody entered as one line: what is invisible or reorders the text around it is left out."""
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())[:_LONGEST]


def _facts(trial: Trial, sender: Mailbox, texts: Texts) -> tuple[tuple[str, str], ...]:
    return (
        (texts.gettext("Organisation"), line(trial.organization)),
        (texts.gettext("Server"), line(trial.server)),
        (texts.gettext("Sender address"), line(sender.address)),
        (texts.gettext("Sender name"), line(sender.name)),
        (texts.gettext("Time of the test"), texts.date(trial.began_at)),
        (texts.gettext("Asked for by"), _asked_by(trial.actor, texts)),
    )


def _asked_by(actor: Actor, texts: Texts) -> str:
    if actor.kind is ActorKind.OPERATOR:
        return texts.gettext("the platform’s operator")
    name, email = line(actor.name), line(actor.email)
    return f"{name} ({email})" if name and email else name or email


def _confirm(link: str, texts: Texts) -> str:
    if link:
        return texts.gettext("Confirm that it has arrived, by this link or by entering the code on the settings page:")
    return texts.gettext("Confirm that it has arrived, by entering this code on the settings page:")


def _traces(sender: Mailbox, domain: str, message_id: str, texts: Texts) -> tuple[str, ...]:
    return (
        texts.fill("Its sender is {sender}.", sender=line(f"{sender.name} <{sender.address}>")),
        texts.gettext(
            "Look at its headers: “Show original” in Gmail, the message’s properties or “View message source” in "
            "Outlook, “Message Source” in Thunderbird. The last of the lines that begin with “Received:” names your "
            "server behind the word “by”."
        ),
        texts.fill(
            "A line “Authentication-Results:” with spf=pass or dkim=pass for {domain} says that recipients can rely on "
            "the sender.",
            domain=domain,
        ),
        texts.fill(
            "The log of your own server or provider has this mail under its Message-ID: {message_id}",
            message_id=message_id,
        ),
    )


def _text(content: _Content, fact: str) -> str:
    paragraphs = (
        content.opening,
        "\n".join(fact.format(name=name, value=value) for name, value in content.facts),
        content.confirm,
        content.link,
        content.code,
        "\n".join((content.traces_title, *(f"- {trace}" for trace in content.traces))),
        "\n".join(content.closing),
    )
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _html(content: _Content, language: str) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;padding:2px 16px 2px 0">{escape(name)}</th>'
        f'<td style="padding:2px 0">{escape(value)}</td></tr>'
        for name, value in content.facts
    )
    anchor = f'<p><a href="{escape(content.link)}">{escape(content.link)}</a></p>' if content.link else ""
    traces = "".join(f"<li>{escape(trace)}</li>" for trace in content.traces)
    closing = "".join(f"<p>{escape(sentence)}</p>" for sentence in content.closing)
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{escape(content.title)}</title>'
        f'</head>\n<body style="{_STYLE}">\n<p>{escape(content.opening)}</p>\n<table>{rows}</table>\n'
        f'<p>{escape(content.confirm)}</p>\n{anchor}\n<p style="{_CODE_STYLE}">{escape(content.code)}</p>\n'
        f'<h2 style="font-size:16px">{escape(content.traces_title)}</h2>\n<ul>{traces}</ul>\n{closing}\n'
        "</body></html>\n"
    )
