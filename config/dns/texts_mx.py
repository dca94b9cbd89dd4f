"""What is said about MX records: where replies and failure notices go."""

from collections.abc import Mapping
from typing import Final

from config.dns.report import FindingCode
from config.dns.words import Words
from config.languages import N_

_PUBLISH: Final = N_("Publish an MX record for {domain}, or use a sender address of a domain that receives mail.")

MX_TEXTS: Final[Mapping[FindingCode, Words]] = {
    FindingCode.MX_FOUND: Words(
        N_("The domain receives mail"),
        N_("Replies and failure notices go to {host}."),
    ),
    FindingCode.MX_IMPLICIT: Words(
        N_("No MX record, but an address"),
        N_("Replies are then tried at the address of {domain} itself, which often runs no mail server."),
        _PUBLISH,
    ),
    FindingCode.MX_MISSING: Words(
        N_("The domain receives no mail"),
        N_("{domain} has no MX record and no address: replies bounce, and some recipients refuse mail from it."),
        _PUBLISH,
    ),
    FindingCode.MX_NO_SUCH_DOMAIN: Words(
        N_("The domain does not exist"),
        N_("The name servers know no domain {domain}: replies bounce, and most recipients refuse mail from it."),
        N_("Check the sender address for a typing mistake, and whether the domain is still registered."),
    ),
    FindingCode.MX_NULL: Words(
        N_("The domain declares that it receives no mail"),
        N_("{domain} has an empty MX record (“0 .”): replies bounce, and many recipients refuse mail from it."),
        _PUBLISH,
    ),
    FindingCode.MX_NULL_MIXED: Words(
        N_("Contradictory MX records"),
        N_("{domain} declares that it receives no mail, and names servers for its mail as well."),
        N_("Remove the empty MX record (“0 .”)."),
    ),
    FindingCode.MX_UNANSWERED: Words(
        N_("MX could not be looked up"),
        N_("The name servers of {domain} did not answer. This does not mean that the record is missing."),
        N_("Check again in a few minutes. If it stays so, look at the name servers of that domain."),
    ),
}
