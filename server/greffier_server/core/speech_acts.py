"""What a spoken sentence does, read from its wording: decides, commits somebody, leaves open.

Small rules for French and English; they back up a language model's reading of a meeting and catch
what it passes over. Of other languages nothing is known and nothing is claimed.
"""

import re
from dataclasses import dataclass

from greffier_server.core.due_dates import find_due
from greffier_server.core.languages import word_set
from greffier_server.core.numerals import fold

__all__ = ["SPEECH_LANGUAGES", "SpeechAct", "speech_act"]

SPEECH_LANGUAGES = frozenset({"en", "fr"})


@dataclass(frozen=True, slots=True)
class SpeechAct:
    """The readings of one sentence; several may hold."""

    decides: bool = False
    commits: bool = False
    """The speaker says what they will do."""
    promises: bool = False
    """They commit to a task or to a date: worth noting whoever asks (not *I'll go first*)."""
    requests: bool = False
    """Somebody is asked, or ought, to do something."""
    asks: bool = False
    open: bool = False
    """Something is said to be undecided or unknown."""
    undecided: bool = False
    """It is said in so many words (not *I don't know*, which may mean little)."""
    courtesy: bool = False
    """Greetings and thanks, with nothing to keep."""


def speech_act(text: str, language: str) -> SpeechAct:
    """Read the wording of `text`; nothing but questions is read outside `SPEECH_LANGUAGES`."""
    folded = fold(text).replace("’", "'").strip()
    asks = folded.rstrip("\"'» ").endswith(("?", "？", "؟"))
    if language not in SPEECH_LANGUAGES:
        return SpeechAct(asks=asks)
    rules = _FRENCH if language == "fr" else _ENGLISH
    undecided = bool(rules.undecided.search(folded))
    still_open = undecided or bool(rules.unknown.search(folded))
    commits = not asks and bool(rules.commits.search(folded))
    return SpeechAct(
        decides=not asks and not still_open and bool(rules.decides.search(folded)),
        commits=commits,
        promises=commits
        and (bool(rules.promises.search(folded)) or find_due(text, language) is not None),
        requests=bool(rules.requests.search(folded)),
        asks=asks,
        open=still_open,
        undecided=undecided,
        courtesy=not asks and _is_courtesy(folded),
    )


def _is_courtesy(folded: str) -> bool:
    words = re.findall(r"[a-z]+", folded)
    others = sum(1 for word in words if word not in _COURTESY)
    return len(words) > others and others <= 1  # one other word: the name of who is greeted


_COURTESY = word_set(
    "bonjour bonsoir merci bienvenue bonne journee a bientot au revoir parfait tres bien oui non d "
    "accord ok tout fait excellent super tous toutes beaucoup et soiree etre la "
    "good morning afternoon evening hello hi thank you thanks great perfect very well okay yes no "
    "bye goodbye welcome everyone all much so right fine last thing see soon for having us"
)


@dataclass(frozen=True, slots=True)
class _Rules:
    decides: re.Pattern[str]
    commits: re.Pattern[str]
    promises: re.Pattern[str]
    requests: re.Pattern[str]
    undecided: re.Pattern[str]
    unknown: re.Pattern[str]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_TASKS = (
    "reserve|prepare|envoie|appelle|rappelle|relance|pose|demande|verifie|contacte|transmets|ecris|"
    "redige|organise|installe|fais|prends|confirme|mets|finis|termine|partage|complete|corrige|"
    "commande|previens|reponds|planifie|publie|programme|teste|livre|deploie|cree|signe|reviens|"
    "apporte|achete|invite|informe|traite|regle|suis chargee?"
)
_FRENCH = _Rules(
    decides=_any(
        r"\b(?:nous|on) (?:\w+ ){0,2}?(?:decid|conven|convien|reten|retien|valid|adopt|approuv)",
        r"\b(?:nous|on) (?:\w+ ){0,2}?(?:actons|acte|arretons|tranch|repouss|report|annul|maint)",
        r"\b(?:est|sont|a ete|ont ete) (?:donc )?(?:decide|adopte|valide|approuve|acte|retenu)",
        r"\b(?:est|sont|a ete|ont ete) (?:donc )?(?:repousse|reporte|annule|maintenu)",
        r"\bnous n(?:e |')(?!pouvons|avons|savons|sommes|voulons|devons|voyons)\w+ons "
        r"(?:aucun|plus|pas)",
        r"\b(?:c'est (?:note|entendu)|entendu|bien|d'accord|donc)\b[^.?!]{0,12}"
        r"\b(?:nous \w+rons|on \w+ra)\b",
        r"^(?:donc,? )?aucune? [^.?!]{12,}",
    ),
    commits=_any(
        r"\bj(?:e |')(?:(?:me|m'|te|t'|vous|lui|leur|le|la|les|l'|en|y)[ ']?)*"
        rf"(?:\w+rai\b|en (?:occupe|charge)|occupe\b|charge\b|vais \w+r\b|(?:{_TASKS})\b)"
    ),
    promises=_any(
        r"\bj(?:e |')(?:(?:me|m'|te|t'|vous|lui|leur|le|la|les|l'|en|y)[ ']?)*"
        r"(?:vais )?(?:me |m'|te |vous |lui |leur |le |la |les |l')?(?:en )?"
        r"(?:reserv|prepar|envoi|envoy|enverr|appel|rappel|relanc|demand|verifi|contact|transme|"
        r"redig|organis|install|confirm|fini|termin|complet|corrig|command|previen|repon|planifi|"
        r"publi|deploi|deploy|sign|apport|achet|inform|fourni|renvoi|occup|charge)\w*|"
        r"\bje pose\w* la question|\bj'ecri\w+"
    ),
    requests=_any(
        r"\bs'il (?:te|vous) plait",
        r"\bil (?:faut|faudra|faudrait)\b",
        r"\b(?:doit|doivent|devons|devez|devra|devront)\b",
        r"\btu (?:peux|pourrais|\w+es)\b",
        r"\b(?:peux-tu|pouvez-vous|merci de \w+r)\b",
        r"\b(?:se charge|s'occupe)(?:ra)?\b",
    ),
    undecided=_any(
        r"pas encore (?:ete )?(?:decide|tranche|fixe|arrete|choisi)",
        r"\breste(?:nt)? (?:ouvert|en suspens|a \w+r\b)",
        r"\b(?:point|question|sujet) ouverte?\b",
        r"\ben suspens\b",
        r"\ba (?:definir|confirmer)\b",
    ),
    unknown=_any(r"\b(?:sais|sait|savons) pas\b"),
)
_ENGLISH = _Rules(
    decides=_any(
        r"\bwe(?:'ve| have)? (?:all )?(?:agree|agreed|decide|decided|approve|approved)\b",
        r"\bwe(?:'ve| have)? (?:all )?(?:adopt|adopted|go with|settled)\b",
        r"\b(?:agreed|approved|adopted|decided|confirmed)[:,.] ",
        r"\bit is (?:agreed|decided)\b|\bthe decision is\b",
        r"\blet's (?:keep|use|postpone|stick to|go for)\b",
        r"\bwe (?:will|must|shall)(?: not|n't) (?!need|see|have)\w+|\bwe won't \w+",
    ),
    commits=_any(
        r"\bi(?:'ll| will| shall|'m going to| am going to) (?!be (?:able|there)|need|see|not)\w+",
        r"\blet me (?!know|see|say)\w+",
        r"\bi can (?:send|do|take|check|ask|call|book|prepare|write|handle)\b",
        r"\bi(?:'m| am) (?:sending|booking|calling|preparing|taking care)\b",
    ),
    promises=_any(
        r"\b(?:i(?:'ll| will| shall| can|'m going to| am going to)|let me|i'm|i am) "
        r"(?:also |then )?"
        r"(?:send|prepare|book|call|ask|check|write|organi[sz]e|contact|e-?mail|provide|update|"
        r"confirm|arrange|finish|complete|draft|order|report|invite|inform|deliver|share|review|"
        r"sending|booking|calling|preparing|fix|install|reserve|schedule|circulate|follow up|"
        r"take care|look into|get back)\b"
    ),
    requests=_any(
        r"\bplease (?!note|remember)\w+",
        r"\b(?:can|could|would|will) you (?:please )?(?!be\b|hear)\w+",
        r"\b(?:need|needs|have|has) to \w+|\b(?:should|must)\b|\bmake sure\b",
        r"\bwill (?:send|prepare|call|book|check)\b",
    ),
    undecided=_any(
        r"\bopen (?:point|question|issue|item)",
        r"\b(?:not|n't) (?:yet )?(?:been )?(?:decided|settled|agreed)\b|\bundecided\b",
        r"\bto be (?:decided|confirmed|determined)\b|\bunclear\b",
        r"\b(?:still|remains) open\b|\bstill (?:have|need) to decide\b",
    ),
    unknown=_any(r"\b(?:don't|do not|doesn't) (?:really )?know\b"),
)
