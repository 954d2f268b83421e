"""Rolling notes over a stretch of a session: the prompt, its schema, and reading the answer.

The model goes through the numbered sentences once and lists, in their order, what minutes must
hold; each item begins with the numbers it rests on, so that its text is written with the citation
already made. Two worked examples show when there is much to note and when there is little.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from greffier_models.types import ChatMessage, Prompt
from greffier_server.core.figures import readable_text
from greffier_server.core.languages import name
from greffier_server.core.notes_examples import ENGLISH, FRENCH, Wording
from greffier_server.core.state import Segment

__all__ = [
    "NOTES_TOKENS",
    "NoteKind",
    "RawNote",
    "notes_prompt",
    "notes_schema",
    "parse_notes",
    "says_something",
    "wording",
]

NoteKind = Literal["point", "decision", "action", "question"]

NOTES_TOKENS = 700
"""Limit of an answer; about twice what twelve sentences need."""

_MAX_ITEMS = 9
_SHORT_WORDS = 3


@dataclass(frozen=True, slots=True)
class RawNote:
    """An item as the model gave it, unchecked."""

    kind: NoteKind
    text: str
    cites: tuple[int, ...]
    who: str = ""
    due: str = ""


def wording(language: str) -> Wording:
    """Return the prompts' texts: French for French, English for every other language."""
    return FRENCH if language == "fr" else ENGLISH


def says_something(segment: Segment) -> bool:
    """Whether a segment counts by itself; half of a conversation is *yeah* and *d'accord*."""
    return len(segment.words) > _SHORT_WORDS


def notes_prompt(segments: Sequence[Segment], language: str) -> Prompt:
    """Ask for notes in `language` over `segments`."""
    words = wording(language)
    messages = [ChatMessage("system", words.notes.replace("LANGUAGE", name(language)))]
    for said, notes in words.examples:
        messages.append(ChatMessage("user", said))
        messages.append(ChatMessage("assistant", notes))
    lines = [_line(segment, language) for segment in segments]
    messages.append(ChatMessage("user", "\n".join(lines)))
    return Prompt(tuple(messages))


def notes_schema(segments: Sequence[Segment]) -> dict[str, Any]:
    """Return the JSON Schema of an answer: only ids of `segments` can be cited."""
    cites = {
        "type": "array",
        "items": {"type": "integer", "enum": [segment.id for segment in segments]},
        "minItems": 1,
        "maxItems": 2,
    }
    text = {"type": "string", "minLength": 1, "maxLength": 180}
    plain = _object(
        cites=cites, kind={"type": "string", "enum": ["decision", "question", "point"]}, text=text
    )
    action = _object(
        cites=cites,
        kind={"type": "string", "enum": ["action"]},
        who={"type": "string", "maxLength": 40},
        text=text,
        due={"type": "string", "maxLength": 40},
    )
    items = {
        "type": "array",
        "items": {"anyOf": [plain, action]},
        # Small models are lazy; checks sort out the rest.
        "minItems": max(1, sum(map(says_something, segments)) // 3),
        "maxItems": _MAX_ITEMS,
    }
    return _object(items=items)


def parse_notes(answer: str) -> list[RawNote]:
    """Read an answer; what is malformed or cut off is left out."""
    notes: list[RawNote] = []
    for plain in _objects(answer):
        kind, text = plain.get("kind"), plain.get("text")
        if kind not in get_args(NoteKind) or not isinstance(text, str) or not text.strip():
            continue
        given = plain.get("cites")
        cites = cast("list[object]", given) if isinstance(given, list) else []
        notes.append(
            RawNote(
                kind=cast("NoteKind", kind),
                text=re.sub(r"\s+", " ", text).strip(),
                cites=tuple(dict.fromkeys(cite for cite in cites if isinstance(cite, int))),
                who=_text(plain.get("who")),
                due=_text(plain.get("due")),
            )
        )
    return notes


def _line(segment: Segment, language: str) -> str:
    text, _ = readable_text(segment, language)
    speaker = re.sub(r"\s+", " ", segment.speaker or "").strip()
    return f"[{segment.id}] {speaker}: {text}" if speaker else f"[{segment.id}] {text}"


def _object(**properties: object) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _objects(answer: str) -> list[dict[str, object]]:
    """Return the innermost complete objects of `answer`, in order."""
    decoder = json.JSONDecoder()
    found: list[dict[str, object]] = []
    for match in re.finditer(r"\{(?=\s*\"(?!items))", answer):
        try:
            value: object = decoder.raw_decode(answer, match.start())[0]
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(cast("dict[str, object]", value))
    return found


def _text(value: object) -> str:
    return re.sub(r"\s+", " ", value).strip() if isinstance(value, str) else ""
