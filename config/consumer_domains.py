"""Domains of mailboxes for private people: nobody's own, so no organisation can send for them by its own server.

Their SPF and DMARC records name the provider's servers alone, so mail from anywhere else fails with every large
recipient. The list has the well-known ones; what is missing from it is found by the check of the sender's domain.
"""

from typing import Final

import idna

_FAMILIES: Final = {
    "hotmail": (
        "be ca ch cl co.id co.il co.in co.jp co.kr co.nz co.th co.uk co.za com com.ar com.au com.br com.hk com.tr "
        "com.vn cz de dk es fi fr gr hu it lt lv my nl no ph rs se sg sk"
    ),
    "live": (
        "at be ca cl cn co.kr co.uk co.za com com.ar com.au com.mx com.my com.ph com.pt com.sg de dk fi fr hk ie in it "
        "jp nl no ph pt ru se"
    ),
    "outlook": (
        "at be bg cl co.id co.il co.nz co.th com com.ar com.au com.br com.gr com.pe com.tr com.vn cz de dk es fr hu ie "
        "in it jp kr lv my ph pt sa sg sk"
    ),
    "yahoo": (
        "at be bg ca ch cl co.id co.il co.in co.jp co.kr co.nz co.th co.uk co.za com com.ar com.au com.br com.cn "
        "com.co com.hk com.hr com.mx com.my com.pe com.ph com.sg com.tr com.tw com.ua com.ve com.vn cz de dk ee es fi "
        "fr gr hu ie in it lt lv nl no pl pt ro rs ru se si sk"
    ),
    "gmx": "at biz ch cn co.uk com com.br de es eu fr hk ie info it li lt lu net nl org pt ru se sg tm us",
    "aol": "at be ca ch cl co.nz co.uk com com.ar com.au com.br com.co com.mx de es fr in it jp nl pl se",
    "yandex": "az by co.il com com.am com.ge com.tr ee fr kz lt lv md ru tj tm ua uz",
}
_SINGLE: Final = """
    gmail.com googlemail.com google-mail.com
    msn.com passport.com windowslive.com
    ymail.com rocketmail.com myyahoo.com aim.com netscape.net verizon.net
    icloud.com me.com mac.com
    web.de t-online.de freenet.de arcor.de online.de email.de 1und1.de posteo.de mailbox.org magenta.de
    orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bbox.fr numericable.fr club-internet.fr aliceadsl.fr
    cegetel.net noos.fr voila.fr 9online.fr libertysurf.fr
    proton.me protonmail.com protonmail.ch pm.me tutanota.com tutanota.de tuta.io tutamail.com tuta.com
    zohomail.com zohomail.eu zoho.com zoho.eu fastmail.com fastmail.fm hushmail.com mail.com email.com usa.com
    mailfence.com hey.com duck.com mozmail.com privaterelay.appleid.com
    ya.ru mail.ru bk.ru inbox.ru list.ru internet.ru rambler.ru lenta.ru
    qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com 139.com 189.cn tom.com 21cn.com
    naver.com hanmail.net daum.net nate.com kakao.com rediffmail.com
    libero.it virgilio.it tiscali.it alice.it tin.it tim.it inwind.it iol.it
    bluewin.ch sunrise.ch hispeed.ch
    telenet.be skynet.be proximus.be scarlet.be ziggo.nl kpnmail.nl planet.nl home.nl xs4all.nl
    btinternet.com btopenworld.com sky.com talktalk.net virginmedia.com ntlworld.com blueyonder.co.uk tiscali.co.uk
    comcast.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net juno.com optonline.net
    shaw.ca sympatico.ca videotron.ca telus.net bigpond.com bigpond.net.au optusnet.com.au
    uol.com.br bol.com.br terra.com.br ig.com.br globomail.com
    wp.pl o2.pl onet.pl op.pl interia.pl interia.eu gazeta.pl poczta.onet.pl
    seznam.cz email.cz centrum.cz post.cz volny.cz centrum.sk azet.sk zoznam.sk freemail.hu citromail.hu abv.bg
    mail.bg ukr.net i.ua inbox.lv inbox.lt one.lt mail.ee hot.ee sapo.pt telefonica.net
    walla.co.il walla.com mynet.com hotmail.com.mx outlook.com.mx live.com.co
"""

CONSUMER_DOMAINS: Final = frozenset(
    [*_SINGLE.split(), *(f"{name}.{suffix}" for name, suffixes in _FAMILIES.items() for suffix in suffixes.split())]
)
"""In lower case, with A-labels."""


def is_consumer_domain(domain: str) -> bool:
    """Whether addresses of this domain are given out to private people by a mail provider.

    Case, a final dot and the notation of an international name do not matter. A sub-domain of one counts too: nobody
    but the provider can publish records below it. What is no domain name is none of these.
    """
    name = domain.strip().lower().removesuffix(".")
    try:
        # UTS 46 also takes full-width letters and dots, which a mail server may read as the plain ones.
        name = name if name.isascii() else idna.encode(name, uts46=True).decode("ascii").removesuffix(".")
    except idna.IDNAError:
        return False
    labels = name.split(".")
    return any(".".join(labels[start:]) in CONSUMER_DOMAINS for start in range(len(labels) - 1))
