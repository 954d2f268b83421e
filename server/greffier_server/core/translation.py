"""Live translation of one segment: the prompt, the cleaning of the answer, and its checks.

The prompt is a short system message and chat turns, each a sentence and its translation: worked
examples, then what was said just before. Small instruct models keep to that form where rules in
prose do not hold them, and its constant beginning stays in the engine's prompt cache.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from greffier.protocol import GlossaryTerm
from greffier_models.types import ChatMessage, Prompt
from greffier_server.core.figures import in_digits
from greffier_server.core.invariants import Mismatch, check
from greffier_server.core.languages import canonical, name, script, written_in
from greffier_server.core.numerals import fold

__all__ = [
    "CONTEXT_SEGMENTS",
    "Defect",
    "TranslationTask",
    "better",
    "clean",
    "defect",
    "mismatches",
    "needs_translation",
    "repair_prompt",
    "token_limit",
    "translation_prompt",
]

CONTEXT_SEGMENTS = 3
"""Earlier sentences, with their translations, that a prompt shows."""

_DIGITS_FROM = 20

Defect = Literal["empty", "untranslated", "wrong script", "runaway", "not a translation"]


@dataclass(frozen=True, slots=True)
class TranslationTask:
    """One segment to be translated."""

    text: str
    source: str
    """Language code of `text`."""
    target: str
    context: tuple[tuple[str, str], ...] = ()
    """What was said before in the same language, oldest first, with its translation."""
    glossary: tuple[GlossaryTerm, ...] = ()


def needs_translation(text: str, source: str, target: str) -> bool:
    """Whether there is anything to translate: letters, in another language than the target."""
    same = (canonical(source) or source) == (canonical(target) or target)
    return not same and any(char.isalpha() for char in text)


def translation_prompt(task: TranslationTask) -> Prompt:
    """Build the prompt whose continuation is the translation, on one line."""
    turns = [*_EXAMPLES.get((task.source, task.target), ()), *task.context[-CONTEXT_SEGMENTS:]]
    messages = [ChatMessage("system", _instruction(task))]
    for said, translated in turns:
        messages.append(ChatMessage("user", said))
        messages.append(ChatMessage("assistant", translated))
    # Larger numbers go in as digits: small models misread words, and digits are quick to read.
    source = in_digits(task.text, task.source, least=_DIGITS_FROM)
    messages.append(ChatMessage("user", _one_line(source)))
    return Prompt(tuple(messages))


def repair_prompt(task: TranslationTask, answer: str, found: Sequence[Mismatch]) -> Prompt:
    """Build the prompt of a second attempt.

    Where a number went wrong, the sentence is put anew with all its numbers in digits; otherwise
    the model is told what is wrong with its first answer.
    """
    digits = in_digits(task.text, task.source)
    if digits != task.text and any(mismatch.kind == "number" for mismatch in found):
        return translation_prompt(replace(task, text=digits))
    faults = "; ".join(dict.fromkeys(_fault(mismatch) for mismatch in found))
    order = (
        f"Not correct: {faults}. Write the corrected {name(task.target)} translation of the same "
        "sentence, on one line."
    )
    first = translation_prompt(task).messages
    return Prompt((*first, ChatMessage("assistant", answer or "…"), ChatMessage("user", order)))


def token_limit(text: str) -> int:
    """Tokens a translation of `text` may take: generous, and finite when the model loops."""
    wide = sum(1 for char in text if unicodedata.east_asian_width(char) in "WF")
    return 24 + (len(text) - wide) * 2 // 3 + wide * 3


def clean(answer: str) -> str:
    """Return the translation alone: one line, without quotes around it, labels or small talk."""
    lines = [line.strip() for line in answer.strip().splitlines() if line.strip()]
    text = lines[0] if lines else ""
    if len(lines) > 1 and _INTRODUCTION.fullmatch(text):
        text = lines[1]
    text = _LABEL.sub("", text, count=1).strip()
    for opening, closing in _QUOTES:
        inner = text[1:-1]
        if text[:1] == opening and text[-1:] == closing and len(text) > 2:
            if opening not in inner and closing not in inner:
                text = inner.strip()
            break
    return re.sub(r"\s+", " ", text)


def defect(task: TranslationTask, answer: str) -> Defect | None:
    """Name what makes a cleaned `answer` no translation at all; None when it may be one."""
    if not any(char.isalnum() for char in answer):
        return "empty"
    if len(answer) > 40 + 4 * _weight(task.text) or _loops(answer, task.text):
        return "runaway"
    if not _in_script(answer, script(task.target)):
        return "wrong script"
    if _CHATTER.search(answer) and not _CHATTER.search(task.text):
        return "not a translation"
    if _is_untranslated(task, answer):
        return "untranslated"
    return None


def mismatches(task: TranslationTask, answer: str) -> list[Mismatch]:
    """Return what the translation lost or invented."""
    return check(task.text, answer, task.source, task.target)


def better(
    task: TranslationTask, first: str, second: str
) -> tuple[str, Defect | None, list[Mismatch]]:
    """Choose between two attempts; the first one where they are equally good."""
    attempts: list[tuple[str, Defect | None, list[Mismatch]]] = [
        (text, defect(task, text), mismatches(task, text)) for text in (first, second)
    ]
    return min(attempts, key=lambda attempt: (attempt[1] is not None, len(attempt[2])))


def _instruction(task: TranslationTask) -> str:
    lines = [
        f"You are an interpreter. Translate each message from {name(task.source)} into "
        f"{name(task.target)}. Keep every number, date, name and negation. "
        "Answer with the translation only, on one line."
    ]
    lines += [
        f'"{term.term}" is always "{term.translations[task.target]}".'
        for term in task.glossary
        if task.target in term.translations and _mentions(task, term.term)
    ]
    return "\n".join(lines)


def _mentions(task: TranslationTask, term: str) -> bool:
    text = fold(" ".join([task.text, *(said for said, _ in task.context[-CONTEXT_SEGMENTS:])]))
    return fold(term) in text


def _fault(mismatch: Mismatch) -> str:
    match mismatch.kind:
        case "negation" if mismatch.invented:
            return "the sentence has no negation, the translation has one"
        case "negation":
            return "the negation is lost"
        case "month":
            return "the month is wrong"
        case "weekday":
            return "the day of the week is wrong"
        case _ if mismatch.invented:
            return f"the {mismatch.kind} {mismatch.expected} is not in the sentence"
        case _:
            return f"the {mismatch.kind} {mismatch.expected} is lost"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


_LANGUAGE_NAMES = "english|french|german|spanish|italian|anglais|français|allemand|espagnol"
_LABEL = re.compile(
    rf"^(?:(?:here is|here's|voici|this is)\b[^:]{{0,60}}:"
    rf"|(?:translation|traduction|{_LANGUAGE_NAMES})\s*(?:\([^)]*\))?\s*:)\s*",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"(?:sure|certainly|of course|okay|bien sûr|voici|here is|here's)\b.*[:!.]", re.IGNORECASE
)
_CHATTER = re.compile(
    r"\bas an ai\b|language model|en tant qu['’]ia\b|modèle de langage"
    r"|i (?:can(?:not|['’]t)|'m unable to) (?:translate|assist)"
    r"|je ne peux pas traduire|please provide|veuillez fournir|<\|",
    re.IGNORECASE,
)
_QUOTES = (("«", "»"), ('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’"), ("`", "`"))


def _weight(text: str) -> int:
    """Length in Latin letters; an ideograph stands for about three."""
    return sum(3 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _loops(answer: str, source: str) -> bool:
    """Whether three words or more are said three times in a row, and not so in the source."""

    def repeats(text: str) -> bool:
        return re.search(r"(\b\w+(?:\W+\w+){2,7}\b)(?:\W+\1\b){2,}", text.lower()) is not None

    return repeats(answer) and not repeats(source)


def _in_script(text: str, wanted: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return True
    prefixes = ("CJK", "HIRAGANA", "KATAKANA") if wanted == "CJK" else (wanted,)
    right = sum(1 for char in letters if unicodedata.name(char, "").startswith(prefixes))
    foreign = sum(
        1 for char in letters if not unicodedata.name(char, "").startswith((*prefixes, "LATIN"))
    )
    if wanted == "LATIN":
        return foreign * 5 <= len(letters)
    return right * 3 >= len(letters) and foreign * 5 <= len(letters)


def _is_untranslated(task: TranslationTask, answer: str) -> bool:
    if not written_in(answer, task.target) and written_in(answer, task.source):
        return True
    words = re.findall(r"[^\W\d_]+", fold(answer))
    said = re.findall(r"[^\W\d_]+", fold(task.text))
    return script(task.source) == script(task.target) and len(said) > 4 and words == said


_FR_EN = (
    ("Bonjour à tous, on commence.", "Hello everyone, let's begin."),
    (
        "Le camion n'est pas arrivé : il manque trente-deux caisses.",
        "The truck has not arrived: thirty-two crates are missing.",
    ),
)
_EXAMPLES: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("fr", "en"): _FR_EN,
    ("en", "fr"): tuple((english, french) for french, english in _FR_EN),
}
