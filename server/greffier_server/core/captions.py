"""Exports of a session's captions: SubRip, WebVTT, plain text and JSON."""

import re
from typing import Any

from greffier.plain import to_plain
from greffier_server.core.channels import speaker_names
from greffier_server.core.cues import MAX_MS, Cue, cut, pieces_of, schedule, spread
from greffier_server.core.losses import losses
from greffier_server.core.state import Segment, SessionState

__all__ = ["caption_cues", "to_json", "to_srt", "to_txt", "to_vtt"]


def to_srt(state: SessionState, language: str | None = None) -> str:
    """Return the captions as SubRip, `language` choosing a translation instead of the speech.

    Gaps are shown; withheld passages are not. Where channels are separate, the speaker's name comes
    before what is said: SubRip has no other place for it.
    """
    blocks = [
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n"
        + "\n".join(line.replace("-->", "→") for line in cue.lines)
        + "\n"
        for number, cue in enumerate(caption_cues(state, language, named=True), start=1)
    ]
    return "\n".join(blocks)


def to_vtt(state: SessionState, language: str | None = None) -> str:
    """Return the captions as WebVTT (https://www.w3.org/TR/webvtt1/), speakers as voice spans."""
    blocks = ["WEBVTT\n"]
    for number, cue in enumerate(caption_cues(state, language), start=1):
        voice = f"<v {_voice(cue.speaker)}>" if cue.speaker and _voice(cue.speaker) else ""
        text = "\n".join(_escape(line) for line in cue.lines)
        times = f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}"
        blocks.append(f"{number}\n{times}\n{voice}{text}\n")
    return "\n".join(blocks)


def to_txt(state: SessionState, language: str | None = None) -> str:
    """Return the transcript to be read: one segment a line, with gaps and what is withheld."""
    entries: list[tuple[int, str]] = []
    names = _names(state)
    for segment in state.in_order():
        text = _text(segment, language)
        if text:
            speaker = f"{_one_line(segment.speaker)}: " if segment.speaker else ""
            mark = "" if segment.confirmed else " [not heard again]"
            entries.append((segment.start_ms, speaker + text + mark))
    entries += [(loss.from_ms, _named(names, loss.whose) + loss.text) for loss in losses(state)]
    entries += [
        (
            passage.start_ms,
            f"{_named(names, passage.channel)}"
            f"[withheld {_seconds(passage.end_ms - passage.start_ms)}: "
            f"{_one_line(passage.reason)}]",
        )
        for passage in state.withheld
    ]
    entries.sort(key=lambda entry: entry[0])
    return "".join(f"[{_clock(start_ms)}] {text}\n" for start_ms, text in entries)


def caption_cues(state: SessionState, language: str | None, *, named: bool = False) -> list[Cue]:
    """Return the cues of a session, gaps among them, as every format of captions shows them.

    Args:
        state: the session.
        language: of a translation; the speech itself when absent.
        named: the speaker's name comes before what is said on a channel of their own.
    """
    cues: list[Cue] = []
    names = _names(state)
    for segment in state.in_order():
        if language is None or language == segment.language:
            pieces = pieces_of(segment.words)
        else:
            pieces = spread(_text(segment, language), segment.start_ms, segment.end_ms)
        if pieces and named and segment.channel and segment.speaker:
            at_ms = pieces[0].start_ms
            pieces = [*spread(f"{segment.speaker}:", at_ms, at_ms), *pieces]
        cues += cut(pieces, speaker=segment.speaker, channel=segment.channel)
    for loss in losses(state):
        until_ms = min(loss.to_ms, loss.from_ms + MAX_MS)
        text = _named(names, loss.whose) + loss.text
        cues += cut(spread(text, loss.from_ms, until_ms), channel=loss.whose)
    return schedule(cues)


def to_json(state: SessionState) -> dict[str, Any]:
    """Return all there is as one JSON object; times are seconds with millisecond precision."""
    segments = [segment for segment in state.in_order() if segment.words]
    names = _names(state)
    languages = sorted({code for segment in segments for code in segment.translations})
    return {
        "text": " ".join(segment.text for segment in segments if segment.text),
        "language": state.language,
        "duration": _s(_duration_ms(state)),
        "segments": [_segment(segment) for segment in segments],
        "translations": {
            code: [
                {
                    "id": segment.id,
                    "start": _s(segment.start_ms),
                    "end": _s(segment.end_ms),
                    "text": segment.translations[code].text.strip(),
                }
                for segment in segments
                if code in segment.translations
            ]
            for code in languages
        },
        "gaps": [
            {
                "start": _s(loss.from_ms),
                "end": _s(loss.to_ms),
                "cause": loss.cause,
                "speaker": names.get(loss.whose),
                **({} if loss.whole else {"lost": _s(loss.lost_ms)}),
            }
            for loss in losses(state)
        ],
        "withheld": [
            {
                "start": _s(passage.start_ms),
                "end": _s(passage.end_ms),
                "reason": passage.reason,
                "speaker": names.get(passage.channel),
            }
            for passage in state.withheld
        ],
        "minutes": None if state.minutes is None else to_plain(state.minutes),
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "start": _s(segment.start_ms),
        "end": _s(segment.end_ms),
        "text": segment.text,
        "speaker": segment.speaker,
        "language": segment.language,
        **({} if segment.confirmed else {"confirmed": False}),
        "words": [
            {
                "text": word.text,
                "start": _s(word.start_ms),
                "end": _s(word.end_ms),
                "probability": round(word.probability, 4),
            }
            for word in segment.words
        ],
    }


def _names(state: SessionState) -> dict[int, str]:
    """Speakers by their channels' numbers; none where channels are mixed."""
    return {} if state.started is None else dict(enumerate(speaker_names(state.started), start=1))


def _named(names: dict[int, str], channel: int) -> str:
    return f"{_one_line(names[channel])}: " if channel in names else ""


def _text(segment: Segment, language: str | None) -> str:
    if language is None or language == segment.language:
        return _one_line(segment.text)
    translated = segment.translations.get(language)
    return _one_line(translated.text) if translated is not None else ""


def _duration_ms(state: SessionState) -> int:
    if state.ended is not None:
        return state.ended.duration_ms
    ends = [segment.end_ms for segment in state.segments.values()]
    return max([*ends, *(gap.to_ms for gap in state.gaps)], default=0)


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s"


def _s(ms: int) -> float:
    return round(ms / 1000, 3)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _voice(speaker: str) -> str:
    return _escape(_one_line(speaker))


def _clock(ms: int) -> str:
    seconds = ms // 1000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _time(ms: int, point: str) -> str:
    return f"{_clock(ms)}{point}{ms % 1000:03}"
