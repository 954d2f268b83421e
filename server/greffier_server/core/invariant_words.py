"""Word lists of `greffier_server.core.invariants`, all accent-folded and in lower case."""

from collections.abc import Mapping
from types import MappingProxyType

from greffier_server.core.languages import word_set

__all__ = [
    "FRENCH_NEGATION",
    "LENIENT_UNITS",
    "MONTHS",
    "NEGATION",
    "NEGATIVE_SENSE",
    "UNITS",
    "WEAK_NEGATION",
    "WEEKDAYS",
]


def _numbered(text: str) -> Mapping[str, int]:
    """Number the words from 1; alternatives share one, with a slash between them."""
    return MappingProxyType(
        {word: n for n, group in enumerate(text.split(), start=1) for word in group.split("/")}
    )


MONTHS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "en": _numbered(
            "january/jan february/feb march april/apr may june july august/aug "
            "september/sept october/oct november/nov december/dec"
        ),
        "fr": _numbered(
            "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre"
        ),
        "de": _numbered(
            "januar/janner februar marz april mai juni juli august september oktober november "
            "dezember"
        ),
        "es": _numbered(
            "enero febrero marzo abril mayo junio julio agosto septiembre/setiembre octubre "
            "noviembre diciembre"
        ),
        "it": _numbered(
            "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
            "dicembre"
        ),
        "pt": _numbered(
            "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro "
            "dezembro"
        ),
        "nl": _numbered(
            "januari februari maart april mei juni juli augustus september oktober november "
            "december"
        ),
    }
)

WEEKDAYS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "en": _numbered(
            "monday/mondays tuesday/tuesdays wednesday/wednesdays thursday/thursdays "
            "friday/fridays saturday/saturdays sunday/sundays"
        ),
        "fr": _numbered(
            "lundi/lundis mardi/mardis mercredi/mercredis jeudi/jeudis vendredi/vendredis "
            "samedi/samedis dimanche/dimanches"
        ),
        "de": _numbered("montag dienstag mittwoch donnerstag freitag samstag/sonnabend sonntag"),
        "es": _numbered("lunes martes miercoles jueves viernes sabado domingo"),
        "it": _numbered("lunedi martedi mercoledi giovedi venerdi sabato domenica"),
        "nl": _numbered("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"),
    }
)

NEGATION: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "en": word_set("not no cannot never none nobody nothing neither nor nowhere without"),
        "de": word_set("nicht kein keine keinen keinem keiner nie niemals nichts ohne nein"),
        "es": word_set("no nunca jamas nadie nada ningun ninguna ninguno ni sin tampoco"),
        "it": word_set("non no mai nessuno nessuna niente nulla ne senza"),
        "nl": word_set("niet geen nooit niemand niets zonder nee"),
    }
)
"""Words that negate, whatever else is said; French has `FRENCH_NEGATION` and its *ne*."""

FRENCH_NEGATION = word_set("pas jamais aucun aucune non ni sans nul nulle guere")

WEAK_NEGATION = word_set(
    "impossible unable unavailable indisponible missing lack lacks lacking manque manquent refuse "
    "refused refuser fail failed fails echoue forbidden prohibited interdit interdite only "
    "seulement seule seul hardly barely until unless avoid eviter evitez instead plutot rather "
    "absent absente inconnu unknown unsafe instable hors out few peu dommage except sauf free "
    "gratuit inutile useless unnecessary less sorry desole faute otherwise sinon stop cesser "
    "different other than que besoin soon encore yet any personne rien"
)
"""Words that another language may well say with a negation."""

NEGATIVE_SENSE = word_set(
    "impossible unable unavailable indisponible missing lack lacks lacking manque manquent refuse "
    "refused refuser fail failed fails echoue echouent forbidden prohibited interdit interdite "
    "hardly barely unless avoid avoids eviter evitez except sauf absent "
    "absente inconnu inconnue unknown unsafe hors rather plutot peu few little useless inutile "
    "unnecessary insuffisant insufficient exclu exclue excluded wrong faux unlikely illegal dry"
)
"""Words that may stand for a negation of the other language (*not possible*, *impossible*)."""

UNITS: Mapping[str, str] = MappingProxyType(
    {
        spelling: unit
        for unit, spellings in {
            "EUR": "euro euros eur €",
            "USD": "dollar dollars usd $",
            "GBP": "pound pounds livre livres gbp £",
            "%": "percent pourcent % pour_cent per_cent",
            "km": "kilometre kilometres kilometer kilometers km",
            "m": "metre metres meter meters m",
            "cm": "centimetre centimetres centimeter centimeters cm",
            "mm": "millimetre millimetres millimeter millimeters mm",
            "mi": "mile miles",
            "ha": "hectare hectares ha",
            "kg": "kilogramme kilogrammes kilogram kilograms kilo kilos kg",
            "g": "gramme grammes gram grams g",
            "t": "tonne tonnes ton tons",
            "l": "litre litres liter liters",
            "MHz": "megahertz mhz",
            "kHz": "kilohertz khz",
            "GHz": "gigahertz ghz",
            "GB": "gigaoctet gigaoctets go gigabyte gigabytes gb",
            "MB": "megaoctet megaoctets megabyte megabytes mb",
            "TB": "teraoctet teraoctets terabyte terabytes tb",
            "kW": "kilowatt kilowatts kw",
            "MW": "megawatt megawatts mw",
            "V": "volt volts",
            "bar": "bar bars",
            "°": "degre degres degree degrees °",
            "s": "seconde secondes second seconds",
            "min": "minute minutes min",
            "h": "heure heures hour hours",
            "d": "jour jours day days journee journees",
            "wk": "semaine semaines week weeks",
            "mo": "mois month months",
            "y": "an ans annee annees year years",
            "kn": "noeud noeuds nœud nœuds knot knots kt",
            "ft": "pied pieds foot feet ft",
            "NM": "nautique nautiques nautical milles mille_nautique",
        }.items()
        for spelling in (word.replace("_", " ") for word in spellings.split())
    }
)

LENIENT_UNITS = frozenset({"s", "min", "h", "d", "wk", "mo", "y", "g", "bar", "V"})
"""Said or left out at will (*quatorze heures*, 2 p.m.): wrong only where another takes
its place."""
