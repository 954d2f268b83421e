"""The languages Whisper knows: ISO 639-1 codes, aliases, names and scripts.

Codes and English names follow the language table of OpenAI's Whisper (``whisper/tokenizer.py``,
large-v3); native names and French names follow the Unicode CLDR.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "LANGUAGES",
    "Language",
    "canonical",
    "is_known",
    "name",
    "script",
    "word_set",
    "written_in",
]


@dataclass(frozen=True, slots=True)
class Language:
    """One language; `script` is the Unicode name prefix of its letters."""

    code: str
    english: str
    french: str
    native: str
    script: str = "LATIN"


_TABLE = """
af|Afrikaans|afrikaans|Afrikaans
am|Amharic|amharique|አማርኛ|ETHIOPIC
ar|Arabic|arabe|العربية|ARABIC
as|Assamese|assamais|অসমীয়া|BENGALI
az|Azerbaijani|azerbaïdjanais|azərbaycan
ba|Bashkir|bachkir|башҡорт|CYRILLIC
be|Belarusian|biélorusse|беларуская|CYRILLIC
bg|Bulgarian|bulgare|български|CYRILLIC
bn|Bengali|bengali|বাংলা|BENGALI
bo|Tibetan|tibétain|བོད་སྐད་|TIBETAN
br|Breton|breton|brezhoneg
bs|Bosnian|bosniaque|bosanski
ca|Catalan|catalan|català
cs|Czech|tchèque|čeština
cy|Welsh|gallois|Cymraeg
da|Danish|danois|dansk
de|German|allemand|Deutsch
el|Greek|grec|Ελληνικά|GREEK
en|English|anglais|English
es|Spanish|espagnol|español
et|Estonian|estonien|eesti
eu|Basque|basque|euskara
fa|Persian|persan|فارسی|ARABIC
fi|Finnish|finnois|suomi
fo|Faroese|féroïen|føroyskt
fr|French|français|français
gl|Galician|galicien|galego
gu|Gujarati|gujarati|ગુજરાતી|GUJARATI
ha|Hausa|haoussa|Hausa
haw|Hawaiian|hawaïen|ʻŌlelo Hawaiʻi
he|Hebrew|hébreu|עברית|HEBREW
hi|Hindi|hindi|हिन्दी|DEVANAGARI
hr|Croatian|croate|hrvatski
ht|Haitian Creole|créole haïtien|kreyòl ayisyen
hu|Hungarian|hongrois|magyar
hy|Armenian|arménien|հայերեն|ARMENIAN
id|Indonesian|indonésien|Indonesia
is|Icelandic|islandais|íslenska
it|Italian|italien|italiano
ja|Japanese|japonais|日本語|CJK
jw|Javanese|javanais|Jawa
ka|Georgian|géorgien|ქართული|GEORGIAN
kk|Kazakh|kazakh|қазақ тілі|CYRILLIC
km|Khmer|khmer|ខ្មែរ|KHMER
kn|Kannada|kannada|ಕನ್ನಡ|KANNADA
ko|Korean|coréen|한국어|HANGUL
la|Latin|latin|Latina
lb|Luxembourgish|luxembourgeois|Lëtzebuergesch
ln|Lingala|lingala|lingála
lo|Lao|lao|ລາວ|LAO
lt|Lithuanian|lituanien|lietuvių
lv|Latvian|letton|latviešu
mg|Malagasy|malgache|Malagasy
mi|Maori|maori|Māori
mk|Macedonian|macédonien|македонски|CYRILLIC
ml|Malayalam|malayalam|മലയാളം|MALAYALAM
mn|Mongolian|mongol|монгол|CYRILLIC
mr|Marathi|marathi|मराठी|DEVANAGARI
ms|Malay|malais|Melayu
mt|Maltese|maltais|Malti
my|Burmese|birman|မြန်မာ|MYANMAR
ne|Nepali|népalais|नेपाली|DEVANAGARI
nl|Dutch|néerlandais|Nederlands
nn|Norwegian Nynorsk|norvégien nynorsk|nynorsk
no|Norwegian|norvégien|norsk
oc|Occitan|occitan|occitan
pa|Punjabi|pendjabi|ਪੰਜਾਬੀ|GURMUKHI
pl|Polish|polonais|polski
ps|Pashto|pachto|پښتو|ARABIC
pt|Portuguese|portugais|português
ro|Romanian|roumain|română
ru|Russian|russe|русский|CYRILLIC
sa|Sanskrit|sanskrit|संस्कृत|DEVANAGARI
sd|Sindhi|sindhi|سنڌي|ARABIC
si|Sinhala|cingalais|සිංහල|SINHALA
sk|Slovak|slovaque|slovenčina
sl|Slovenian|slovène|slovenščina
sn|Shona|shona|chiShona
so|Somali|somali|Soomaali
sq|Albanian|albanais|shqip
sr|Serbian|serbe|српски|CYRILLIC
su|Sundanese|soundanais|Basa Sunda
sv|Swedish|suédois|svenska
sw|Swahili|swahili|Kiswahili
ta|Tamil|tamoul|தமிழ்|TAMIL
te|Telugu|télougou|తెలుగు|TELUGU
tg|Tajik|tadjik|тоҷикӣ|CYRILLIC
th|Thai|thaï|ไทย|THAI
tk|Turkmen|turkmène|türkmen dili
tl|Tagalog|tagalog|Tagalog
tr|Turkish|turc|Türkçe
tt|Tatar|tatar|татар|CYRILLIC
uk|Ukrainian|ukrainien|українська|CYRILLIC
ur|Urdu|ourdou|اردو|ARABIC
uz|Uzbek|ouzbek|o‘zbek
vi|Vietnamese|vietnamien|Tiếng Việt
yi|Yiddish|yiddish|ייִדיש|HEBREW
yo|Yoruba|yoruba|Èdè Yorùbá
yue|Cantonese|cantonais|粵語|CJK
zh|Chinese|chinois|中文|CJK
"""

LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {row.split("|", 1)[0]: Language(*row.split("|")) for row in _TABLE.splitlines() if row}
)
"""Every language by its code, in alphabetical order."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "jv": "jw",
        "iw": "he",
        "in": "id",
        "ji": "yi",
        "nb": "no",
        "fil": "tl",
        "cmn": "zh",
        "mandarin": "zh",
        "castilian": "es",
        "flemish": "nl",
        "valencian": "ca",
        "moldavian": "ro",
        "haitian": "ht",
        "farsi": "fa",
        "burmese": "my",
        "letzeburgesch": "lb",
        "panjabi": "pa",
        "sinhalese": "si",
        "pushto": "ps",
        "nynorsk": "nn",
    }
)


def canonical(code: str) -> str | None:
    """Return the code Whisper uses for `code`, or None when it is no language Whisper knows.

    Understood besides the codes: case, regional tags (``fr-FR``, ``zh_Hant``), withdrawn codes
    (``iw``) and English, French or native names.
    """
    key = code.strip().casefold().replace("_", "-")
    if key in LANGUAGES:
        return key
    known = _ALIASES.get(key) or _BY_NAME.get(key)
    if known is not None:
        return known
    primary = key.split("-", 1)[0]
    if primary == key:
        return None
    return primary if primary in LANGUAGES else _ALIASES.get(primary)


def is_known(code: str) -> bool:
    """Whether `code`, or what it is an alias of, is a language Whisper knows."""
    return canonical(code) is not None


def name(code: str, in_language: str = "en") -> str:
    """Return the name of a language, for people to read.

    Args:
        code: of the language; an unknown one is returned as it is.
        in_language: ``fr`` for French, the language's own code for its native name; English
            otherwise.
    """
    known = canonical(code)
    if known is None:
        return code
    language = LANGUAGES[known]
    reader = canonical(in_language)
    if reader == known:
        return language.native
    return language.french if reader == "fr" else language.english


def script(code: str) -> str:
    """Return the script of a language as the prefix of its letters' Unicode names."""
    known = canonical(code)
    return LANGUAGES[known].script if known is not None else "LATIN"


_BY_NAME: Mapping[str, str] = MappingProxyType(
    {
        spelling.casefold(): language.code
        for language in LANGUAGES.values()
        for spelling in (language.native, language.french, language.english)
    }
)


def word_set(text: str) -> frozenset[str]:
    """Return the words of a list written as running text."""
    return frozenset(text.split())


def written_in(text: str, language: str) -> bool:
    """Whether the frequent words of `text` speak for `language`, or at least for no other.

    Tells English, French, German, Spanish and Italian apart; True wherever it cannot know.
    """
    words = re.findall(r"[^\W\d_]+", text.casefold())
    if language not in _FREQUENT:
        return True
    count = {code: sum(word in marks for word in words) for code, marks in _FREQUENT.items()}
    other = max(number for code, number in count.items() if code != language)
    return other < 2 or other <= 2 * count[language]


_FREQUENT = {
    "en": word_set(
        "the of and to is are was were we you they it this that with for be have has will would "
        "not from by at our your their there"
    ),
    "fr": word_set(
        "le la les des du et est sont nous vous ils elle il ce cette qui que pour dans avec pas ne "
        "une un au aux sur par notre votre leur"
    ),
    "de": word_set("der die das und ist sind wir sie nicht mit von zu auf ein eine den dem"),
    "es": word_set("el los las y es son nosotros usted no con por para una un del que se"),
    "it": word_set("il lo gli e sono noi non con per una un del che si di della"),
}
"""Frequent words that tell these languages apart."""
