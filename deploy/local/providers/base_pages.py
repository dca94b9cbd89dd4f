"""The pages a person sees at a provider: small, accessible HTML without scripts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from aiohttp import web

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} – {brand}</title><link rel="icon" href="data:,">
<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem}}
.brand{{font-weight:600}}h1{{font-size:1.4rem}}h2{{font-size:1.1rem}}fieldset{{border:1px solid #777;margin:1rem 0}}
label{{display:block;padding:.2rem 0}}button{{font:inherit;padding:.4rem 1rem;margin:.2rem .5rem .2rem 0}}
small{{display:block;margin-left:1.6rem}}table{{border-collapse:collapse}}
td,th{{text-align:left;padding:.1rem .8rem .1rem 0}}
</style></head><body><header class="brand">{brand}</header><main><h1>{title}</h1>
{body}</main></body></html>
"""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose: what is sent, what is read, and a line of small print."""

    value: str
    label: str
    hint: str = ""


def page(brand: str, title: str, *parts: str, status: int = 200) -> web.Response:
    """A whole page; ``parts`` are HTML already."""
    text = _PAGE.format(brand=escape(brand), title=escape(title), body="\n".join(parts))
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=_HEADERS)


def paragraph(text: str) -> str:
    """Plain words."""
    return f"<p>{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """A list of plain words."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def heading(text: str) -> str:
    """A part of a page begins."""
    return f"<h2>{escape(text)}</h2>"


def links(targets: Iterable[tuple[str, str]]) -> str:
    """Addresses and what they are called."""
    return "<ul>" + "".join(f'<li><a href="{escape(to)}">{escape(text)}</a></li>' for to, text in targets) + "</ul>"


def radios(legend: str, name: str, options: Iterable[Option], chosen: str = "") -> str:
    """One of several; nothing is chosen beforehand unless ``chosen`` is among them."""
    return _group(legend, "radio", name, options, frozenset([chosen]), " required")


def checkboxes(legend: str, name: str, options: Iterable[Option], ticked: Iterable[str] = ()) -> str:
    """Any of several."""
    return _group(legend, "checkbox", name, options, frozenset(ticked))


def buttons(name: str, *choices: Option) -> str:
    """Each sends the form with its own value; those that say no do not demand the other fields."""
    return "".join(
        f'<button type="submit" name="{escape(name)}" value="{escape(one.value)}"{_skip(one)}>'
        f"{escape(one.label)}</button>"
        for one in choices
    )


def _skip(one: Option) -> str:
    return " formnovalidate" if one.value in ("decline", "cancel", "back") else ""


def form(action: str, hidden: Mapping[str, str], *parts: str) -> str:
    """A form that is posted to ``action``, with values nobody sees."""
    unseen = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden.items()
    )
    return f'<form method="post" action="{escape(action)}">{unseen}{"".join(parts)}</form>'


def _group(
    legend: str, kind: str, name: str, options: Iterable[Option], marked: frozenset[str], extra: str = ""
) -> str:
    lines = [f"<fieldset><legend>{escape(legend)}</legend>"]
    for one in options:
        state = (" checked" if one.value in marked else "") + extra
        lines.append(
            f'<label><input type="{kind}" name="{escape(name)}" value="{escape(one.value)}"{state}> '
            f"{escape(one.label)}</label>" + (f"<small>{escape(one.hint)}</small>" if one.hint else "")
        )
    return "".join(lines) + "</fieldset>"
