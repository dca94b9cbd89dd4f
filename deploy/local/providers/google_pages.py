"""Google's pages: choose an account, agree to each permission or not, or read why nothing can be agreed to."""

from collections.abc import Iterable

from aiohttp import web

from deploy.local.providers.base_pages import Option, bullets, buttons, checkboxes, form, page, paragraph, radios
from deploy.local.providers.base_values import Account
from deploy.local.providers.google_consent import SCOPES, PageRefused
from deploy.local.providers.google_grants import SIGN_IN

_BRAND = "Google (sandbox)"


def chooser(action: str, request: str, accounts: Iterable[Account], hint: str) -> web.Response:
    """Which account it shall be."""
    options = [Option(one.address, f"{one.name} <{one.address}>", _about(one)) for one in accounts]
    if not options:
        return page(_BRAND, "Choose an account", paragraph("There is no account that fits."), status=200)
    return page(
        _BRAND,
        "Choose an account",
        paragraph("to continue to Mailroom"),
        form(
            action,
            {"request": request},
            radios("Account", "account", options, hint),
            buttons("decision", Option("next", "Next")),
        ),
    )


def consent(action: str, request: str, account: Account, scopes: Iterable[str]) -> web.Response:
    """Each permission with a box of its own; what signing in means has none."""
    wanted = tuple(scopes)
    own = [scope for scope in wanted if scope not in SIGN_IN]
    signing_in = [scope for scope in wanted if scope in SIGN_IN]
    boxes = checkboxes("Select what Mailroom can access", "scope", [Option(one, SCOPES[one], one) for one in own], own)
    unseen = "".join(form_field(one) for one in signing_in)
    return page(
        _BRAND,
        "Mailroom wants access to your Google Account",
        paragraph(f"{account.name} <{account.address}>"),
        paragraph("Mailroom will be able to:") if signing_in else "",
        bullets(SCOPES[one] for one in signing_in),
        form(
            action,
            {"request": request, "account": account.address},
            unseen,
            boxes if own else "",
            buttons("decision", Option("allow", "Continue"), Option("decline", "Cancel")),
        ),
    )


def form_field(scope: str) -> str:
    """A scope that goes with the form unasked."""
    return f'<input type="hidden" name="scope" value="{scope}">'


def refused(error: PageRefused) -> web.Response:
    """An error that is the person's to read, and that the app never hears of."""
    return page(
        _BRAND,
        "Access blocked: the request of this app is invalid" if error.status != 403 else "You cannot sign in",
        paragraph(error.text),
        paragraph(f"Error {error.status}: {error.error}"),
        status=error.status,
    )


def _about(one: Account) -> str:
    notes = [f"Google Workspace of {one.tenant}" if one.tenant else "gmail.com"]
    if one.consent != "user":
        notes.append("its administrator does not allow this app")
    if not one.licensed:
        notes.append("no Gmail")
    if not one.enabled:
        notes.append("disabled")
    return ", ".join(notes)
