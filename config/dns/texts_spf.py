"""What is said about SPF records: which servers may send for the domain."""

from collections.abc import Mapping
from typing import Final

from config.dns.report import FindingCode
from config.dns.words import Words
from config.languages import N_

_ASK: Final = N_(
    "Ask your mail provider which entry its outgoing servers need in the SPF record, and add it before the final “all”."
)
_AGAIN: Final = N_("Check again in a few minutes. If it stays so, look at the name servers of that domain.")
_SHORTEN: Final = N_(
    "Take out the entries of services that no longer send for you, or replace entries by the addresses they stand for."
)

SPF_TEXTS: Final[Mapping[FindingCode, Words]] = {
    FindingCode.SPF_COVERS: Words(
        N_("SPF lists your server"),
        N_("{server} is among the servers that may send for the domain."),
    ),
    FindingCode.SPF_COVERS_PROVIDER: Words(
        N_("SPF lists your provider"),
        N_("The record includes {include}, which covers the outgoing servers behind {server}."),
    ),
    FindingCode.SPF_VALID: Words(
        N_("SPF record in order"),
        N_("The record can be read and followed. It was not compared with a server."),
    ),
    FindingCode.SPF_NOT_LISTED: Words(
        N_("SPF does not list your server"),
        N_(
            "{server} is not among the servers that may send for the domain. That can still be right: many providers "
            "take mail in at one server and send it out from others."
        ),
        _ASK,
    ),
    FindingCode.SPF_PARTLY_LISTED: Words(
        N_("SPF lists your server in part"),
        N_("{server} has several addresses, and only some of them may send for the domain."),
        N_("Add the other addresses to the SPF record, the IPv6 ones too, unless the server sends out from others."),
    ),
    FindingCode.SPF_PROVIDER_MISSING: Words(
        N_("SPF does not list your provider"),
        N_("Mail that {server} takes in leaves by servers that the record does not name."),
        N_("Add include:{include} to the SPF record, before the final “all”."),
    ),
    FindingCode.SPF_SERVER_UNRESOLVED: Words(
        N_("SPF was not compared with your server"),
        N_("The record is in order, but no public address of {server} was found to look for in it."),
        N_("Check the name of the server. Which servers it sends out from is what counts for SPF."),
    ),
    FindingCode.SPF_UNDECIDED: Words(
        N_("SPF cannot be judged from outside"),
        N_(
            "The entry {term} depends on the single mail, so it does not show in advance whether {server} may send for "
            "the domain."
        ),
        N_("Look for spf=pass in the “Authentication-Results” line of the test mail you received."),
    ),
    FindingCode.SPF_BRANCH_UNANSWERED: Words(
        N_("SPF could be read only in part"),
        N_("The name servers did not answer about {domain}, which the record refers to."),
        _AGAIN,
    ),
    FindingCode.SPF_UNANSWERED: Words(
        N_("SPF could not be looked up"),
        N_("The name servers of {domain} did not answer. This does not mean that the record is missing."),
        _AGAIN,
    ),
    FindingCode.SPF_MISSING: Words(
        N_("No SPF record"),
        N_("The domain {domain} does not say which servers may send for it; many recipients then distrust its mail."),
        N_(
            "Publish a TXT record at {domain} that begins with v=spf1, names your servers or your provider’s entry, "
            "and ends with ~all or -all."
        ),
    ),
    FindingCode.SPF_SEVERAL: Words(
        N_("Several SPF records"),
        N_("{domain} has {count} SPF records. With more than one, recipients treat all of them as an error."),
        N_("Put the entries of all of them into one record, and remove the others."),
    ),
    FindingCode.SPF_SYNTAX: Words(
        N_("SPF record with a mistake"),
        N_("The part {term} of the record cannot be read, so recipients treat the whole record as an error."),
        N_("Correct that part of the record."),
    ),
    FindingCode.SPF_BRANCH_BROKEN: Words(
        N_("SPF refers to a broken record"),
        N_("The SPF record of {domain}, which yours refers to, has a mistake; that makes yours an error too."),
        N_("Remove the entry, or tell whoever runs {domain}."),
    ),
    FindingCode.SPF_BRANCH_MISSING: Words(
        N_("SPF refers to a record that is not there"),
        N_("{domain} has no SPF record, but yours refers to it; that makes yours an error."),
        N_("Remove the entry, or correct a typing mistake in it."),
    ),
    FindingCode.SPF_LOOP: Words(
        N_("SPF goes round in circles"),
        N_("Following the record leads back to {domain}, which recipients treat as an error."),
        N_("Remove the entry that leads back."),
    ),
    FindingCode.SPF_LOOKUPS: Words(
        N_("SPF needs too many look-ups"),
        N_("Following the record takes at least {count} look-ups; after 10, recipients give up with an error."),
        _SHORTEN,
    ),
    FindingCode.SPF_VOID_LOOKUPS: Words(
        N_("SPF refers to names that do not exist"),
        N_("More than two entries lead to names without an answer; recipients may treat the record as an error."),
        _SHORTEN,
    ),
    FindingCode.SPF_MANY_MX: Words(
        N_("SPF refers to too many mail servers"),
        N_("{domain}, which an mx entry refers to, has more than 10 MX records; recipients treat that as an error."),
        N_("Replace the mx entry by the addresses of the servers that send."),
    ),
    FindingCode.SPF_EVERYBODY: Words(
        N_("SPF lets everybody send"),
        N_(
            "With +all or a network of all addresses, any server in the world may send for the domain; recipients "
            "distrust such a record."
        ),
        N_("List your own servers only, and let the record end with ~all or -all."),
    ),
    FindingCode.SPF_NO_VERDICT: Words(
        N_("SPF does not say what is forged"),
        N_("The record ends without ~all or -all, so it says nothing about servers that it does not list."),
        N_("Let the record end with ~all or -all."),
    ),
    FindingCode.SPF_AFTER_ALL: Words(
        N_("SPF entries without effect"),
        N_("Whatever stands behind “all” in the record, such as {term}, is never looked at."),
        N_("Move these entries in front of “all”, or remove them."),
    ),
    FindingCode.SPF_PTR: Words(
        N_("SPF uses an outdated entry"),
        N_("The entry {term} is slow and unreliable; the standard advises against it, and some recipients ignore it."),
        N_("Replace it by the addresses of your servers or your provider’s entry."),
    ),
}
