"""A whole session as the page of its record shows it: small, and with the place of every word."""

from collections.abc import Mapping, Sequence
from typing import Any

from greffier.plain import to_plain
from greffier.protocol import Minutes
from greffier_server.core.corrections import SECTIONS, Edited, edited, placed
from greffier_server.core.losses import losses
from greffier_server.core.state import Segment, SessionState

__all__ = ["plain_minutes", "record_of"]


def record_of(
    state: SessionState, *, since: int = 0, skip: int = 0, limit: int | None = None
) -> dict[str, Any]:
    """Return the session as JSON: the best reading, what editors made of it, and what is missing.

    A word is ``[text, start_ms, end_ms, probability in percent]``; where it was corrected, followed
    by ``first, end`` (in the words as recognised) and what was recognised there.

    Args:
        state: of the log.
        since: segments from this number on.
        skip: so many of them are left out, in order of time; then nothing but segments is told.
        limit: so many at most; all when absent.
    """
    sums = edited(state)
    base = placed(state)
    listed = [one for one in base.in_order() if one.words and one.id >= since]
    page = listed[skip:] if limit is None else listed[skip : skip + limit]
    told: dict[str, Any] = {
        "seq": state.seq,
        "count": len(listed),
        "segments": [_segment(segment, state, sums) for segment in page],
    }
    if skip:
        return told
    return told | {
        "title": state.started.title if state.started is not None else "",
        "language": state.language,
        "reading": state.passes,
        "duration_ms": _duration_ms(state),
        "speakers": _speakers(base.segments, sums),
        "gaps": [
            {
                "from_ms": loss.from_ms,
                "to_ms": loss.to_ms,
                "lost_ms": loss.lost_ms,
                "cause": loss.cause,
                "channel": loss.whose,
            }
            for loss in losses(state)
        ],
        "withheld": [to_plain(doubt) for doubt in base.withheld],
        "failures": [to_plain(failure) for failure in state.failures],
        "minutes": _minutes(state, sums),
        "minutes_dated": state.minutes_dated,
    }


def plain_minutes(
    minutes: Minutes,
    version: int,
    sentences: Mapping[tuple[str, int], str],
    verdicts: Mapping[tuple[str, int], str],
) -> dict[str, Any]:
    """Return minutes as JSON: of each sentence what was written, what stands there, a verdict.

    Args:
        minutes: as they were written.
        version: from 1.
        sentences: those that editors changed, by section and place.
        verdicts: ``accepted`` or ``rejected``, likewise.
    """
    sections: list[dict[str, Any]] = []
    for section in SECTIONS:
        items: Sequence[Any] = getattr(minutes, section)
        if items:
            written = [
                {
                    **to_plain(item),
                    "written": item.text,
                    "text": sentences.get((section, index), item.text),
                    "verdict": verdicts.get((section, index), ""),
                }
                for index, item in enumerate(items)
            ]
            sections.append({"section": section, "items": written})
    return {
        "title": minutes.title,
        "language": minutes.language,
        "version": version,
        "agenda": to_plain(minutes.agenda),
        "sections": sections,
    }


def _segment(segment: Segment, state: SessionState, sums: Edited) -> dict[str, Any]:
    current = state.passes if segment.id not in state.segments else None
    reading = sums.readings.get(segment.id, 0)
    patches = sums.patches.get(segment.id, ())
    if current is not None and reading != current:  # of another pass (see `corrections`)
        patches = ()
    words: list[list[Any]] = []
    if patches:
        for piece in sums.pieces(segment):
            word: list[Any] = [
                piece.text,
                piece.start_ms,
                piece.end_ms,
                round(100 * piece.probability),
            ]
            if piece.corrected:
                heard = "".join(one.text for one in segment.words[piece.first : piece.end])
                word += [piece.first, piece.end, heard.strip()]
            words.append(word)
    else:
        words = [
            [word.text, word.start_ms, word.end_ms, round(100 * word.probability)]
            for word in segment.words
        ]
    return {
        "id": segment.id,
        "start_ms": segment.start_ms,
        "end_ms": segment.end_ms,
        "language": segment.language,
        "voice": segment.speaker or "",
        "speaker": sums.speaker(segment) or "",
        "closed": segment.closed,
        "confirmed": segment.confirmed,
        "words": words,
        "translations": _translations(segment, sums),
    }


def _translations(segment: Segment, sums: Edited) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for language, translated in segment.translations.items():
        text = sums.translations.get((segment.id, language))
        shown = translated.text.strip() if text is None else text
        found[language] = {
            "text": shown,
            "closed": translated.closed,
            "corrected": text is not None,
            # A person has changed what was said since this was translated.
            "dated": text is None and segment.id in sums.patches,
        }
    return found


def _speakers(segments: Mapping[int, Segment], sums: Edited) -> list[dict[str, Any]]:
    spoken_ms: dict[str, int] = {}
    for segment in segments.values():
        if segment.words:
            voice = segment.speaker or ""
            length_ms = segment.end_ms - segment.start_ms
            spoken_ms[voice] = spoken_ms.get(voice, 0) + length_ms
    return [
        {"voice": voice, "name": sums.names.get(voice, voice), "spoken_ms": length_ms}
        for voice, length_ms in spoken_ms.items()
        if voice
    ]


def _minutes(state: SessionState, sums: Edited) -> dict[str, Any] | None:
    if state.minutes is None:
        return None
    return plain_minutes(state.minutes, state.minutes_count, sums.sentences, sums.verdicts)


def _duration_ms(state: SessionState) -> int:
    if state.ended is not None:
        return state.ended.duration_ms
    ends = [segment.end_ms for segment in state.segments.values()]
    return max([*ends, *(gap.to_ms for gap in state.gaps)], default=0)
