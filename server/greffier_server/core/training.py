"""What models can learn from editors: pairs of before and after, and terms for the glossary."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from greffier_server.core.corrections import edited, placed, shown
from greffier_server.core.events import Corrected
from greffier_server.core.state import SessionState

__all__ = [
    "MinutesPair",
    "Pair",
    "Proposal",
    "ProposalKind",
    "SpeakerPair",
    "TranslationPair",
    "minutes_pairs",
    "pairs",
    "proposals",
    "speaker_pairs",
    "translation_pairs",
]

ProposalKind = Literal["words", "translation", "minutes", "speaker"]

_LONGEST_TERM = 5
"""Words."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A segment as it was recognised and as an editor left it."""

    segment: int
    start_ms: int
    end_ms: int
    language: str
    recognised: str
    corrected: str


@dataclass(frozen=True, slots=True)
class TranslationPair:
    """A translation as the model made it and as an editor left it, with what was said."""

    segment: int
    start_ms: int
    end_ms: int
    source_language: str
    language: str
    source: str
    """As readers see it, corrected."""
    translated: str
    corrected: str


@dataclass(frozen=True, slots=True)
class SpeakerPair:
    """Who recognition took a speaker for, and who it was."""

    segment: int
    """0 = wherever this speaker speaks."""
    start_ms: int
    end_ms: int
    recognised: str
    corrected: str


@dataclass(frozen=True, slots=True)
class MinutesPair:
    """A sentence of minutes as it was written and as an editor left it."""

    minutes: int
    """Which minutes of the session, from 1."""
    section: str
    item: int
    language: str
    """Empty where the minutes were written anew since."""
    written: str
    corrected: str
    cites: tuple[int, ...]
    """Segments that it rests on; likewise."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A term that editors put where something else was heard."""

    term: str
    heard: str
    language: str
    count: int
    sessions: tuple[str, ...]
    kind: ProposalKind = "words"
    """What was set right."""


def pairs(state: SessionState) -> list[Pair]:
    """Return one pair for each segment whose words were corrected, in order of time."""
    before, after, sums = placed(state), shown(state), edited(state)
    return [
        Pair(
            segment.id,
            segment.start_ms,
            segment.end_ms,
            segment.language,
            segment.text,
            after.segments[segment.id].text,
        )
        for segment in before.in_order()
        if segment.id in sums.patches and after.segments[segment.id].text != segment.text
    ]


def translation_pairs(state: SessionState) -> list[TranslationPair]:
    """Return one pair for each translation that was corrected, in order of time."""
    before, after, sums = placed(state), shown(state), edited(state)
    found: list[TranslationPair] = []
    for segment in before.in_order():
        for language, translated in segment.translations.items():
            corrected = sums.translations.get((segment.id, language))
            machine = translated.text.strip()
            if corrected is None or corrected == machine:
                continue
            found.append(
                TranslationPair(
                    segment.id,
                    segment.start_ms,
                    segment.end_ms,
                    segment.language,
                    language,
                    after.segments[segment.id].text,
                    machine,
                    corrected,
                )
            )
    return found


def speaker_pairs(state: SessionState) -> list[SpeakerPair]:
    """Return who was taken for whom: as people left it, each speaker or segment once."""
    sums = edited(state)
    found = [
        SpeakerPair(0, 0, 0, voice, name) for voice, name in sums.names.items() if voice != name
    ]
    for number, name in sums.own_names.items():
        segment = state.segments.get(number)
        if segment is not None and (segment.speaker or "") != name:
            place = (segment.start_ms, segment.end_ms)
            found.append(SpeakerPair(number, *place, segment.speaker or "", name))
    return found


def minutes_pairs(state: SessionState) -> list[MinutesPair]:
    """Return one pair for each sentence of minutes that was edited, of every version."""
    first: dict[tuple[int, str, int], str] = {}
    last: dict[tuple[int, str, int], str] = {}
    for event in state.corrections:
        if event.target.kind == "minutes":
            key = (event.target.minutes, event.target.section, event.target.item)
            first.setdefault(key, event.old)
            last[key] = event.new
    found: list[MinutesPair] = []
    for (minutes, section, item), written in first.items():
        corrected = last[minutes, section, item]
        if corrected == written:
            continue
        language, cites = "", ()
        if state.minutes is not None and minutes == state.minutes_count:
            language = state.minutes.language
            cites = getattr(state.minutes, section)[item].cites
        found.append(
            MinutesPair(minutes, section, item, language, written, corrected, tuple(cites))
        )
    return found


def proposals(sessions: Iterable[tuple[str, SessionState]]) -> list[Proposal]:
    """Return the terms that corrections put in, the most frequent first.

    Of words, those that were put in; of a translation and a sentence of minutes, what is other in
    it; of a speaker, the name. Names and terms: at most five words, with a capital, a digit, or put
    in more than once. What was mended in case, accents or full stops alone is no term that was
    misheard.
    """
    seen: dict[tuple[str, str, str, ProposalKind], list[str]] = defaultdict(list)
    for session, state in sessions:
        if not state.corrections:
            continue
        segments = placed(state).segments
        for event in state.corrections:
            segment = segments.get(event.target.segment)
            spoken = segment.language if segment is not None else ""
            minutes = state.minutes.language if state.minutes is not None else ""
            for term, heard, language, kind in _terms(event, spoken, minutes):
                seen[term, heard, language, kind].append(session)
    listed = [
        Proposal(term, heard, language, len(where), tuple(dict.fromkeys(where)), kind)
        for (term, heard, language, kind), where in seen.items()
        if len(where) > 1 or any(char.isupper() or char.isdigit() for char in term)
    ]
    return sorted(listed, key=lambda one: (-one.count, one.term.casefold(), one.heard))


def _terms(
    event: Corrected, spoken: str, minutes: str
) -> Iterator[tuple[str, str, str, ProposalKind]]:
    kind = event.target.kind
    if kind == "words":
        pairs, language = [(event.old, event.new)], spoken
    elif kind == "translation":
        pairs, language = _replaced(event.old, event.new), event.target.language
    elif kind == "minutes":
        pairs, language = _replaced(event.old, event.new), minutes
    elif kind == "speaker" and any(char.isalpha() for char in event.new):
        name = _bare(event.new)
        if len(name.split()) <= _LONGEST_TERM:
            yield name, "", "", "speaker"
        return
    else:
        return
    for old, new in pairs:
        found = _term(old, new)
        if found is not None:
            yield *found, language, kind


def _replaced(old: str, new: str) -> list[tuple[str, str]]:
    """Return the stretches of words that an edit put in the place of others."""
    before, after = old.split(), new.split()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return [
        (" ".join(before[i:until]), " ".join(after[j:upto]))
        for tag, i, until, j, upto in matcher.get_opcodes()
        if tag == "replace"
    ]


def _term(old: str, new: str) -> tuple[str, str] | None:
    term, heard = _bare(new), _bare(old)
    if not term or not heard or len(term.split()) > _LONGEST_TERM:
        return None
    if _letters(term.split()) == _letters(heard.split()):
        return None
    return term, heard


def _bare(text: str) -> str:
    return " ".join(text.split()).strip(' .,;:!?…«»"“”()')


def _letters(words: Sequence[str]) -> str:
    return "".join(char for word in words for char in word.casefold() if char.isalnum())
