"""What is said about DMARC records: what becomes of mail that neither SPF nor DKIM vouches for."""

from collections.abc import Mapping
from typing import Final

from config.dns.report import FindingCode
from config.dns.words import Words
from config.languages import N_

DMARC_TEXTS: Final[Mapping[FindingCode, Words]] = {
    FindingCode.DMARC_ENFORCED: Words(
        N_("DMARC protects the domain"),
        N_("Recipients are asked to apply “{policy}” to mail from {domain} that neither SPF nor DKIM vouches for."),
    ),
    FindingCode.DMARC_MONITORING: Words(
        N_("DMARC only watches"),
        N_("The record is in order; its policy for {domain} is “none”, so forged mail is delivered like any other."),
        N_("Once the reports show that all your own mail passes, change the policy to quarantine, later to reject."),
    ),
    FindingCode.DMARC_MISSING: Words(
        N_("No DMARC record"),
        N_("Neither {domain} nor a domain above it has a DMARC record; large recipients ask for one."),
        N_("Publish a TXT record at _dmarc.{domain}, to begin with: {record}"),
    ),
    FindingCode.DMARC_UNANSWERED: Words(
        N_("DMARC could not be looked up"),
        N_("The name servers did not answer about {name}. This does not mean that the record is missing."),
        N_("Check again in a few minutes. If it stays so, look at the name servers of that domain."),
    ),
    FindingCode.DMARC_SEVERAL: Words(
        N_("Several DMARC records"),
        N_("{name} has {count} DMARC records. With more than one, recipients use none of them."),
        N_("Keep one of them, and remove the others."),
    ),
    FindingCode.DMARC_INVALID: Words(
        N_("DMARC record without effect"),
        N_("The record at {name} has no policy that can be read (p=none, p=quarantine or p=reject)."),
        N_("Correct the record: it begins with {record}"),
    ),
    FindingCode.DMARC_CONSUMER: Words(
        N_("A domain of a mailbox provider"),
        N_("Mail from {domain} passes only through the servers of its provider; from yours, recipients refuse it."),
        N_("Use a sender address of a domain that is your own."),
    ),
    FindingCode.DMARC_AT_RISK: Words(
        N_("Your mail may be refused"),
        N_(
            "The policy is “{policy}”, and neither SPF nor DKIM was seen to vouch for your server. Mail that neither "
            "of them vouches for ends in spam or is refused."
        ),
        N_("Let the SPF record cover your server’s outgoing addresses, or have it sign with DKIM for {domain}."),
    ),
    FindingCode.DMARC_INHERITED: Words(
        N_("The policy of the domain above"),
        N_("{domain} has no DMARC record of its own; the one of {holder} holds for it."),
    ),
    FindingCode.DMARC_TAG_IGNORED: Words(
        N_("DMARC record with a mistake"),
        N_("The part {tag} of the record cannot be read; recipients ignore it or the record."),
        N_("Correct or remove that part of the record."),
    ),
    FindingCode.DMARC_TESTING: Words(
        N_("DMARC is marked as a test"),
        N_("With t=y, recipients are asked to apply a policy that is one step weaker than the one in the record."),
        N_("Remove t=y once the reports show that all your own mail passes."),
    ),
    FindingCode.DMARC_PARTIAL: Words(
        N_("DMARC for a part of the mail"),
        N_(
            "With pct={pct}, some recipients apply the policy to that percentage only; the current standard ignores it."
        ),
        N_("Remove pct= from the record."),
    ),
    FindingCode.DMARC_NO_REPORTS: Words(
        N_("DMARC without reports"),
        N_("Without rua=, nobody tells you which servers send mail in the name of the domain."),
        N_("Add rua=mailto: with an address that may receive many automatic reports."),
    ),
    FindingCode.DMARC_RELAXED: Words(
        N_("What has to match"),
        N_(
            "Mail is sent with {domain} in its envelope, so SPF counts as soon as the record covers the server. A DKIM "
            "signature counts if its d= is {organization} or a name below it."
        ),
    ),
    FindingCode.DMARC_STRICT: Words(
        N_("What has to match exactly"),
        N_(
            "Mail is sent with {domain} in its envelope, so SPF counts as soon as the record covers the server. A DKIM "
            "signature counts only if its d= is exactly {domain}, as adkim=s demands."
        ),
    ),
}
