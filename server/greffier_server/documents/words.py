"""The fixed words of documents, in French and in English; a tenant may have those of any language.

A file ``LANGUAGE.toml`` in the tenant's folder of templates gives words of a further language, or
other ones: ``summary = "Zusammenfassung"``.
"""

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path

__all__ = ["ENGLISH", "FRENCH", "Words", "has_words", "read_words", "words_of"]

_MAX_CHARS = 300


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words; what is in braces is filled in."""

    code: str
    report: str
    proceedings: str
    decisions_list: str
    radio_log: str
    sitrep: str
    plain_summary: str
    digest: str
    email: str
    transcript: str
    summary: str
    participants: str
    course: str
    topics: str
    decisions: str
    actions: str
    questions: str
    figures: str
    annex: str
    coverage: str
    sources: str
    who: str
    what: str
    due: str
    status: str
    open: str
    done: str
    number: str
    time: str
    sender: str
    receiver: str
    message: str
    action: str
    date: str
    duration: str
    unverified: str
    legend: str
    none: str
    uncovered: str
    situation: str
    under_way: str
    needs: str
    last_messages: str
    as_of: str
    greeting: str
    email_opening: str
    email_closing: str
    opened: str
    closed: str
    signatures: str
    chair: str
    secretary: str
    every_minutes: str
    gap: str
    gaps: str
    withheld: str
    page: str
    of: str
    missing_signs: str
    subject: str
    agenda: str
    not_addressed: str
    other_topics: str
    document_page: str
    translated: str
    partly_checked: str
    english_words: str
    doubtful: str
    untranslated: str
    synthesis: str
    sessions: str
    changed: str
    was: str


FRENCH = Words(
    code="fr",
    report="Compte rendu",
    proceedings="Procès-verbal",
    decisions_list="Relevé de décisions",
    radio_log="Main courante",
    sitrep="Point de situation",
    plain_summary="Résumé",
    digest="Au fil de la séance",
    email="Compte rendu par courriel",
    transcript="Transcription",
    summary="Résumé",
    participants="Participants",
    course="Déroulé",
    topics="Points abordés",
    decisions="Décisions",
    actions="Actions",
    questions="Questions ouvertes",
    figures="Chiffres et dates",
    annex="Annexe : ce que ce document ne contient pas",
    coverage="Couverture",
    sources="Passages cités",
    who="Qui",
    what="Quoi",
    due="Échéance",
    status="État",
    open="à faire",
    done="fait",
    number="N°",
    time="Heure",
    sender="De",
    receiver="À",
    message="Message",
    action="Suite donnée",
    date="Date",
    duration="Durée enregistrée",
    unverified="non vérifié",
    legend="✓ vérifié : les nombres, les dates, les noms et les mots de la phrase se retrouvent "
    "dans le passage cité ; [non vérifié] : à réécouter dans l'enregistrement, auquel renvoient "
    "les codes horaires.",
    none="Néant.",
    uncovered="Aucune phrase ne rend compte des passages suivants :",
    situation="Situation",
    under_way="Actions engagées et à engager",
    needs="Points à éclaircir",
    last_messages="Derniers messages",
    as_of="Situation arrêtée à",
    greeting="Bonjour,",
    email_opening="Voici ce qu'il faut retenir de la réunion « {title} ».",
    email_closing="Bien cordialement,",
    opened="La séance est ouverte à {time}.",
    closed="La séance est levée à {time}.",
    signatures="Signatures",
    chair="Présidence de séance",
    secretary="Secrétariat de séance",
    every_minutes="Toutes les {minutes} minutes",
    gap="Enregistrement interrompu ({seconds} s)",
    gaps="Enregistrement interrompu par moments ({seconds} s sur {span} s)",
    withheld="Passage entendu et non retenu ({seconds} s)",
    page="Page",
    of="sur",
    missing_signs="{count} signes ne figurent dans aucune police disponible et sont remplacés "
    "par « ? ».",
    subject="Objet",
    agenda="Ordre du jour",
    not_addressed="Non abordé.",
    other_topics="Hors ordre du jour",
    document_page="p. {page}",
    translated="Traduit phrase par phrase par un modèle de langue (langue d'origine : {source}), "
    "nombres, dates, noms et négations contrôlés ; l'original fait foi.",
    partly_checked="Dans cette langue, tout ne peut être contrôlé : aucune phrase n'y est donnée "
    "pour vérifiée.",
    english_words="Intitulés en anglais, faute de mots pour cette langue.",
    doubtful="traduction douteuse, original : « {source} »",
    untranslated="non traduit",
    synthesis="Synthèse de plusieurs séances",
    sessions="Séances",
    changed="Décisions modifiées d'une séance à l'autre",
    was="auparavant",
)
ENGLISH = Words(
    code="en",
    report="Minutes",
    proceedings="Formal minutes",
    decisions_list="Record of decisions",
    radio_log="Radio log",
    sitrep="Situation report",
    plain_summary="Summary",
    digest="As it went",
    email="Minutes by email",
    transcript="Transcript",
    summary="Summary",
    participants="Participants",
    course="Course of the meeting",
    topics="Points discussed",
    decisions="Decisions",
    actions="Actions",
    questions="Open questions",
    figures="Figures and dates",
    annex="Annex: what this document does not hold",
    coverage="Coverage",
    sources="Passages cited",
    who="Who",
    what="What",
    due="Due",
    status="Status",
    open="to do",
    done="done",
    number="No.",
    time="Time",
    sender="From",
    receiver="To",
    message="Message",
    action="Action taken",
    date="Date",
    duration="Recorded time",
    unverified="not verified",
    legend="✓ verified: the numbers, dates, names and words of the sentence are in the passage it "
    "cites; [not verified]: to be checked against the recording, to which time codes refer.",
    none="None.",
    uncovered="No sentence tells of these passages:",
    situation="Situation",
    under_way="Actions under way and to be taken",
    needs="To be cleared up",
    last_messages="Latest messages",
    as_of="Situation as of",
    greeting="Hello,",
    email_opening="Here is what to remember of the meeting “{title}”.",
    email_closing="Best regards,",
    opened="The meeting opens at {time}.",
    closed="The meeting closes at {time}.",
    signatures="Signatures",
    chair="Chair",
    secretary="Secretary",
    every_minutes="Every {minutes} minutes",
    gap="Recording interrupted ({seconds} s)",
    gaps="Recording interrupted at times ({seconds} s of {span} s)",
    withheld="Heard and withheld ({seconds} s)",
    page="Page",
    of="of",
    missing_signs="{count} signs are in none of the fonts available and are replaced by “?”.",
    subject="Subject",
    agenda="Agenda",
    not_addressed="Not addressed.",
    other_topics="Outside the agenda",
    document_page="p. {page}",
    translated="Translated sentence by sentence by a language model (original language: "
    "{source}), numbers, dates, names and negations checked; the original prevails.",
    partly_checked="Not everything can be checked in this language: no sentence is given as "
    "verified.",
    english_words="Headings in English, for want of words in this language.",
    doubtful="doubtful translation, original: “{source}”",
    untranslated="not translated",
    synthesis="Several sessions in one report",
    sessions="Sessions",
    changed="Decisions that changed between sessions",
    was="before",
)


def words_of(language: str) -> Words:
    """Return the words of `language`; English where we have none."""
    return FRENCH if language == "fr" else ENGLISH


def has_words(words: Words, language: str) -> bool:
    """Whether `words` are of `language`: ours, or those of a tenant's file."""
    return words.code == language


def read_words(language: str, folders: tuple[Path, ...]) -> Words:
    """Return the words of `language` as the first of `folders` with a file of it changes them.

    Raises:
        ValueError: the file is no TOML, or holds anything but known words; the message tells which.
    """
    words = words_of(language)
    known = {field.name for field in fields(Words)} - {"code"}
    for folder in folders:
        file = folder / f"{language}.toml"
        if not file.is_file():
            continue
        try:
            given = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            raise ValueError(f"{file.name} cannot be read") from None
        for key, value in given.items():
            if key not in known or not isinstance(value, str) or len(value) > _MAX_CHARS:
                raise ValueError(f"{file.name}: {key} is not one of the words, or not a short text")
        return replace(words, code=language, **given)
    return words
