"""Templates: escaped, in the reader's language, without script or style in the page, and never with a value missing."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest

from config.languages import LANGUAGES, Sentence
from config.web import rendering
from config.web.assets import Assets
from config.web.errors import NOT_FOUND
from config.web.forms import EMPTY, Field, listed, smtp_view
from config.web.offers import MICROSOFT
from config.web.rendering import TEMPLATES, page, pieces
from config.web.views import NOTICES, Notice, Shell
from config.web.views_small import VerifyView

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"
SHELL = Shell(organization="acme", person="Ada", email="ada@acme.example", csrf="token")
VOID = {"meta", "link", "input", "img", "br"}


class Structure(HTMLParser):
    """Every element with its attributes; complains about what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of this kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def smtp_page(language: str = "en", *, shell: Shell = SHELL, **changes: Any) -> str:
    """The form, as an example of a page."""
    return page("smtp.html", language, shell=shell, view=smtp_view(EMPTY, version=0, password_stored=False, **changes))


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_people_entered_is_never_markup(language: str) -> None:
    """In text, in attributes and as a sentence's parameter."""
    shell = Shell(organization=HOSTILE, person=HOSTILE, email=HOSTILE, csrf=HOSTILE, notice=Notice("ok", HOSTILE))
    problems = [("host", Sentence.of("must not be {what}", what=HOSTILE))]
    view = smtp_view(
        dict.fromkeys(("host", "port", "username"), HOSTILE), version=0, password_stored=True, problems=problems
    )
    text = page("smtp.html", language, shell=shell, view=view)
    assert "<script" not in text
    assert "49" not in re.sub(r"\?v=\w+", "", text)
    fields = {one["id"]: one["value"] for one in Structure(text).all("input") if "id" in one and one["type"] != "radio"}
    assert fields["host"] == fields["username"] == HOSTILE


def test_a_password_is_never_put_back() -> None:
    """Whatever was typed, the field is empty and the page does not have it."""
    view = smtp_view({**EMPTY, "password": "correct horse"}, version=0, password_stored=True)
    assert view.password.value == ""
    assert "correct horse" not in page("smtp.html", "en", shell=SHELL, view=view)


def test_a_missing_value_is_an_error() -> None:
    """Also where a template only asks whether it is there."""
    with pytest.raises(jinja2.UndefinedError):
        page("error.html", "en", shell=SHELL, problem=NOT_FOUND)


@pytest.mark.parametrize("language", LANGUAGES)
def test_mistakes_stand_beside_their_fields_and_in_a_list_that_leads_there(language: str) -> None:
    """With the attributes that tell it to somebody who hears the page."""
    structure = Structure(smtp_page(language, problems=[("port", "must be a number"), ("host", "must be given")]))
    by_id = {attributes["id"]: attributes for _, attributes in structure.elements if "id" in attributes}
    for name in ("host", "port"):
        assert by_id[name]["aria-invalid"] == "true"
        described = str(by_id[name]["aria-describedby"]).split()
        assert f"{name}-mistake" in described
        assert set(described) <= set(by_id)
    assert "aria-invalid" not in by_id["username"]
    links = [one["href"] for one in structure.all("a") if str(one["href"]).startswith("#")]
    assert links == ["#main", "#host", "#port"]
    summaries = [one for one in structure.all("div") if one.get("class") == "summary"]
    assert len(summaries) == 1
    assert {"autofocus", "tabindex"} <= set(summaries[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_has_what_a_strict_policy_and_a_screen_reader_need(language: str) -> None:
    """A language, a title, one h1, landmarks, labels; no script, no style, no address of another site."""
    structure = Structure(smtp_page(language))
    assert structure.all("html") == [{"lang": language}]
    names = [name for name, _ in structure.elements]
    assert [names.count(tag) for tag in ("title", "h1", "main", "header", "footer", "nav")] == [1] * 6
    assert not {"script", "style", "iframe", "object"} & set(names)
    for name, attributes in structure.elements:
        assert not [one for one in attributes if one == "style" or one.startswith("on")]
        for where in (attributes.get("href"), attributes.get("src"), attributes.get("action")):
            assert where is None or re.match(r"(/(?!/)|#)", where), (name, where)
    labelled = {one["for"] for one in structure.all("label") if "for" in one}
    assert labelled == {"host", "port", "username", "password", "sender_address", "sender_alias"}
    assert structure.all("form")
    csrf = [one for one in structure.all("input") if one.get("name") == "csrf" and one["value"] == "token"]
    assert len(csrf) == len(structure.all("form"))


def test_templates_have_no_place_for_script_or_style() -> None:
    """Nor for text that is not escaped, nor for blocks of text that extraction would not see."""
    for file in TEMPLATES.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"<script|<style|\bstyle=|\bon\w+=|\|\s*safe|autoescape|{%-? *trans|https?://", text), file


def test_a_viewer_and_a_stranger_get_no_forms_they_may_not_use() -> None:
    viewer = Shell(organization="acme", person="Vic", email="vic@acme.example", viewer=True, csrf="token")
    text = page("verify.html", "en", shell=viewer, view=VerifyView(Field("code")))
    assert re.findall(r'action="([^"]*)"', text) == ["/language", "/sign-out"]
    assert "<form" not in page("signed_out.html", "en", shell=Shell())


def test_a_page_that_grows_comes_in_pieces() -> None:
    """Together they are one page."""
    environment_page = pieces("base.html", "en", shell=SHELL)
    assert len(environment_page) == 1
    assert environment_page[0].strip().endswith("</html>")


def test_numbers_dates_and_colons_follow_the_language() -> None:
    view = smtp_view(EMPTY, version=0, password_stored=False, problems=[("port", "x")])
    assert "Port: x" in page("smtp.html", "en", shell=SHELL, view=view)
    assert "Port\u00a0: x" in page("smtp.html", "fr", shell=SHELL, view=view)
    assert rendering.iso(datetime(2026, 11, 21, 8, 0, 5, tzinfo=UTC)) == "2026-11-21T08:00:05Z"


def test_every_notice_can_be_shown_in_every_language() -> None:
    """English as it is, French as something else."""
    for notice in NOTICES.values():
        assert notice.text in page("base.html", "en", shell=Shell(organization="acme", notice=notice))
        assert notice.text not in page("base.html", "fr", shell=Shell(organization="acme", notice=notice))


def test_static_files_change_their_address_with_their_content(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a{}")
    before = Assets(tmp_path).url("a.css")
    (tmp_path / "a.css").write_text("b{}")
    assert Assets(tmp_path).url("a.css") != before
    assert Assets(tmp_path).get("../a.css") is None
    found = Assets(tmp_path).get("a.css")
    assert found is not None
    assert found.content_type == "text/css; charset=utf-8"


def test_unknown_fields_are_not_listed() -> None:
    assert [one.target for one in listed([("nonsense", "x"), ("port", "y")])] == ["port"]


@pytest.mark.parametrize(
    ("language", "minutes", "said"),
    [
        ("en", 1, "again in 1 minute."),
        ("en", 7, "again in 7 minutes."),
        ("fr", 1, "dans 1 minute."),
        ("fr", 7, "dans 7 minutes."),
    ],
)
def test_the_minutes_stand_in_the_right_form(language: str, minutes: int, said: str) -> None:
    shell = Shell(organization="acme", notice=Notice("warning", "There were too many tests in a short time.", minutes))
    assert said in page("base.html", language, shell=shell)


def test_the_page_that_leads_elsewhere_leads_there_and_nowhere_else() -> None:
    """Whatever an address has in it: at once by itself, and by a link; and it has no form of ours."""
    url = "https://login.example/authorize?a=1&b=%20;url=x,'\"><b>&amp;c"
    structure = Structure(page("leaving.html", "en", shell=Shell(), offer=MICROSOFT, url=url))
    refreshes = [one["content"] for one in structure.all("meta") if one.get("http-equiv") == "refresh"]
    assert refreshes == [f"0; url={url}"]
    assert url in [one["href"] for one in structure.all("a")]
    assert structure.all("form") == structure.all("b") == []
