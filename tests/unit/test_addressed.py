"""Mails for providers without an envelope name those who are owed the mail, and each of them once."""

from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.smtpd_client import mail
from transports.addressed import Share, addressed, shares
from transports.errors import Code, MessageRefused, RecipientRefused
from transports.message import Mail, Mailbox
from transports.mime import render
from transports.sharing import send_shares


@st.composite
def mails(draw: st.DrawFn) -> Mail:
    sizes = [draw(st.integers(0, 7)) for _ in range(3)]
    boxes = [Mailbox(f"r{n}@example.net", f"N {n}") for n in range(sum(sizes))]
    to, cc, bcc = boxes[: sizes[0]], boxes[sizes[0] : sum(sizes[:2])], boxes[sum(sizes[:2]) :]
    owed = draw(st.lists(st.sampled_from(range(len(boxes))), unique=True)) if boxes else []
    return mail(to=tuple(to), cc=tuple(cc), bcc=tuple(bcc), owed=tuple(owed))


@given(mails(), st.integers(1, 8))
def test_the_shares_name_each_owed_recipient_once_in_the_field_they_stood_in(sent: Mail, most: int) -> None:
    made = shares(sent, most, "test")
    everyone = sent.to + sent.cc + sent.bcc
    assert [position for share in made.shares for position in share.positions] == sorted(sent.owed)
    for share in made.shares:
        named = share.mail.to + share.mail.cc + share.mail.bcc
        assert 0 < len(named) <= most
        assert named == tuple(everyone[position] for position in share.positions)
        assert set(share.mail.to) <= set(sent.to)
        assert set(share.mail.cc) <= set(sent.cc)
        assert set(share.mail.bcc) <= set(sent.bcc)
        assert sorted(share.mail.recipients(), key=lambda each: each[0]) == list(enumerate(named))


def test_a_mail_owed_to_all_it_names_stays_as_it_is() -> None:
    sent = mail("a@example.net", "b@example.net", owed=(1, 0))
    assert addressed(sent) is sent
    (share,) = shares(sent, 100, "test").shares
    assert share.mail is sent
    assert share.positions == (0, 1)


def test_what_is_no_address_is_refused_alone_and_not_named() -> None:
    sent = mail("a@example.net", "b@example.net\r\nBcc: x@example.net", "nobody", owed=(0, 1, 2))
    made = shares(sent, 100, "test")
    assert [mailbox.address for mailbox in made.shares[0].mail.to] == ["a@example.net"]
    assert [position for position, _ in made.refused] == [1, 2]
    for _, error in made.refused:
        assert isinstance(error, RecipientRefused)
        assert (error.code, error.transport) == (Code.RECIPIENT_REFUSED, "test")
        assert "@" not in str(error)


def test_who_stands_in_a_mail_twice_is_in_one_share_only() -> None:
    twins = (Mailbox("R1@EXAMPLE.net"), Mailbox("q@example.net"), Mailbox("r-zero@example.net", "Again"))
    sent = mail("r-zero@example.net", "r1@example.net", "jo@bücher.example", cc=twins, owed=tuple(range(7)))
    sent = replace(sent, bcc=(Mailbox("Jo@xn--bcher-kva.example"),))
    first, second = shares(sent, 3, "test").shares
    assert [each.address for each in first.mail.to] == ["r-zero@example.net", "r1@example.net", "jo@bücher.example"]
    assert (first.mail.cc, first.mail.bcc, first.positions) == ((), (), (0, 1, 2, 3, 5, 6))
    assert (second.mail.to, second.mail.cc, second.positions) == ((), (Mailbox("q@example.net"),), (4,))
    assert first.mail.owed == (0, 1, 2)


async def test_a_twin_has_the_verdict_of_the_share_it_went_with() -> None:
    sent = mail("r-zero@example.net", "r1@example.net", "R-zero@example.net", "q@example.net", owed=(0, 1, 2, 3))
    named: list[str] = []

    async def hand_over(share: Share) -> None:
        named.extend(each.address for each in share.mail.to)
        if len(named) > 2:
            raise MessageRefused(Code.MESSAGE_REFUSED)

    receipt = await send_shares(sent, shares(sent, 2, "test"), hand_over, "test")
    assert named == ["r-zero@example.net", "r1@example.net", "q@example.net"]
    assert receipt.accepted == (0, 1, 2)
    assert [position for position, _ in receipt.refused] == [3]


def test_twins_in_one_share_are_shown_as_they_stand() -> None:
    sent = mail("r-zero@example.net", "R-zero@example.net", owed=(0, 1))
    (share,) = shares(sent, 2, "test").shares
    assert share.mail is sent
    assert share.positions == (0, 1)


def test_an_address_outside_ascii_is_an_address() -> None:
    assert not shares(mail("jö@exämple.net"), 100, "test").refused


def parsed(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=default)


def test_the_bcc_field_is_there_only_when_asked_for() -> None:
    sent = mail("a@example.net", bcc=(Mailbox("hidden@example.net", "Hid, Den"), Mailbox("two@example.net")))
    assert b"hidden@example.net" not in render(sent, utf8=False)
    told = parsed(render(sent, utf8=False, bcc=True))
    assert [str(each) for each in told["Bcc"].addresses] == ['"Hid, Den" <hidden@example.net>', "two@example.net"]
    assert render(mail(), utf8=False, bcc=True) == render(mail(), utf8=False)


@given(st.text(max_size=80))
def test_no_hidden_recipient_s_name_can_add_a_field(name: str) -> None:
    sent = mail(bcc=(Mailbox("hidden@example.net", name), Mailbox("two@example.net", "X\r\nSubject: forged")))
    content = render(sent, utf8=False, bcc=True)
    fields = [line.partition(b":")[0] for line in content.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] != b" "]
    assert fields.count(b"Subject") == 1
    assert fields.count(b"Bcc") == 1
    assert len(set(fields)) == len(fields)
    assert [each.addr_spec for each in parsed(content)["Bcc"].addresses] == ["hidden@example.net", "two@example.net"]
