"""What is said about DKIM records: the keys that signatures are checked with."""

from collections.abc import Mapping
from typing import Final

from config.dns.report import FindingCode
from config.dns.words import Words
from config.languages import N_

_AGAIN: Final = N_("Check again in a few minutes. If it stays so, look at the name servers of that domain.")
_COPY: Final = N_("Copy the record anew from your mail provider’s instructions; long ones are easily cut off.")
_NEW_KEY: Final = N_("Have your mail provider make a new key of 2048 bits, and publish it under a new selector.")

DKIM_TEXTS: Final[Mapping[FindingCode, Words]] = {
    FindingCode.DKIM_FOUND: Words(
        N_("DKIM key found"),
        N_("There is a key for signatures under the selector {selector}."),
    ),
    FindingCode.DKIM_MISSING: Words(
        N_("No DKIM key under this selector"),
        N_("There is no key at {name}, so signatures made with the selector {selector} fail."),
        N_("Publish the record that your mail provider shows for DKIM, or correct the selector."),
    ),
    FindingCode.DKIM_NOT_FOUND: Words(
        N_("DKIM cannot be told without the selector"),
        N_("None of the usual selectors has a key. That says little: every provider may choose another one."),
        N_(
            "Enter the selector that your mail provider names. It also is the s= in the line “DKIM-Signature” of the "
            "test mail you received; no such line means that your server does not sign."
        ),
    ),
    FindingCode.DKIM_UNANSWERED: Words(
        N_("DKIM could not be looked up"),
        N_("The name servers did not answer about {name}. This does not mean that the key is missing."),
        _AGAIN,
    ),
    FindingCode.DKIM_NO_TARGET: Words(
        N_("DKIM leads nowhere"),
        N_("The selector {selector} points to {target}, where there is no key."),
        N_("Compare the record with your mail provider’s instructions, and switch DKIM on there."),
    ),
    FindingCode.DKIM_NO_TARGET_MICROSOFT: Words(
        N_("DKIM is not switched on in Microsoft 365"),
        N_("The selector {selector} points to Microsoft 365, where there is no key for it at present."),
        N_(
            "Switch on DKIM signatures for the domain in the Microsoft Defender portal. Of the two selectors one may "
            "be without a key for some days after a change."
        ),
    ),
    FindingCode.DKIM_SEVERAL: Words(
        N_("Several DKIM keys under one selector"),
        N_("The selector {selector} has {count} keys; which one recipients take is left to chance."),
        N_("Keep the one that your mail provider shows, and remove the others."),
    ),
    FindingCode.DKIM_REVOKED: Words(
        N_("DKIM key withdrawn"),
        N_("The record of the selector {selector} has an empty key: signatures made with it no longer count."),
        N_("Publish the current key, or find out which selector is in use now."),
    ),
    FindingCode.DKIM_UNUSABLE: Words(
        N_("DKIM key cannot be used"),
        N_("The record of the selector {selector} is not a key that signatures of mail can be checked with."),
        _COPY,
    ),
    FindingCode.DKIM_TOO_SHORT: Words(
        N_("DKIM key too short"),
        N_("The key of the selector {selector} has {bits} bits; recipients ignore keys of less than 1024."),
        _NEW_KEY,
    ),
    FindingCode.DKIM_SHORT: Words(
        N_("DKIM key rather short"),
        N_("The key of the selector {selector} has {bits} bits. It works, but 2048 are the rule today."),
        _NEW_KEY,
    ),
    FindingCode.DKIM_TESTING: Words(
        N_("DKIM is marked as a test"),
        N_("The record of the selector {selector} has t=y: recipients may treat signatures as if there were none."),
        N_("Remove t=y from the record once your mail is signed properly."),
    ),
    FindingCode.DKIM_MICROSOFT: Words(
        N_("DKIM by Microsoft 365"),
        N_("The selector {selector} points to Microsoft 365, which keeps and renews the key."),
    ),
}
