"""Hypotheses of a real engine, kept in a file, so that policies can be replayed without a model.

What is kept is what several policies, with several dials, really asked over a recording, with the
answers. A request that was asked in the same words is answered exactly. Any other is answered from
the nearest that were: heard no later, in the same language, and containing the end of the forced
prefix; what comes behind that prefix is the answer. Policies must therefore say where they get
their words (`RecordedAnswers.exact`), and differences between two of them are trusted only as far
as leaving a policy out and replaying it has shown (see ADR 0012).
"""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from greffier_models.types import Hypothesis, Word
from greffier_server.core.policy import DecodeRequest, IdentifyRequest
from greffier_server.core.word_times import fold_word

__all__ = ["Asked", "Recorded", "RecordedAnswers", "load_recorded", "save_recorded"]

_STALE_MS = 1_500
"""A hypothesis that ends so much earlier says nothing about a request."""
_EDGE_MS = 300
"""A word that ends so near the end of the audio was perhaps cut; it is no longer near the end of a
later request, so it is left out of the answer to that, as far as that is later."""
_EARLIER = 40
"""Among so many earlier answers the words of a prefix are looked for."""
_MATCHED_WORDS = 8
"""So many last words of a prefix are looked for in a hypothesis."""
_EDIT_MS = 250
"""A word of the prefix that differs counts as so much staleness."""
_LENGTH_SHARE = 0.05
"""A window longer or shorter by a second counts as 50 ms of staleness."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the decoder, its answer, and which policies made it."""

    request: DecodeRequest
    hypothesis: Hypothesis
    by: frozenset[str]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Everything known of one recording."""

    id: str
    model: str
    frame_ms: int
    probabilities: tuple[float, ...]
    """Of speech, one a frame."""
    asked: tuple[Asked, ...]
    identified: tuple[tuple[IdentifyRequest, dict[str, float]], ...]

    def without(self, by: str) -> "Recorded":
        """What is known when one policy had not been asked."""
        kept = tuple(asked for asked in self.asked if asked.by - {by})
        return Recorded(
            self.id, self.model, self.frame_ms, self.probabilities, kept, self.identified
        )


_Key = tuple[int, int, str | None, str, str, int, int]


class RecordedAnswers:
    """An engine over one recording that answers from what was recorded."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._by_key = {key_of(asked.request): asked.hypothesis for asked in recorded.asked}
        self._by_end = _heard_whole(recorded.asked)
        self.exact = 0
        """Requests answered with their own recorded hypothesis …"""
        self.near = 0
        """… from the nearest one …"""
        self.unknown = 0
        """… and not at all."""

    def decode(self, request: DecodeRequest) -> Hypothesis:
        """The recorded answer, or that of the nearest request."""
        known = self._by_key.get(key_of(request))
        if known is not None:
            self.exact += 1
            return known
        found = self._nearest(request)
        if found is None:
            self.unknown += 1
            return Hypothesis((), request.language or "")
        self.near += 1
        return found

    def identify(self, request: IdentifyRequest) -> dict[str, float]:
        """Of the recorded stretch that overlaps most."""

        def distance(asked: tuple[IdentifyRequest, dict[str, float]]) -> int:
            other = asked[0]
            return abs(other.from_ms - request.from_ms) + abs(other.to_ms - request.to_ms)

        if not self._recorded.identified:
            return {}
        return min(self._recorded.identified, key=distance)[1]

    def _nearest(self, request: DecodeRequest) -> Hypothesis | None:
        wanted = [fold_word(word) for word in request.prefix.split()][-_MATCHED_WORDS:]
        best: tuple[float, Hypothesis] | None = None
        for asked in reversed(self._by_end):
            stale_ms = request.to_ms - asked.request.to_ms
            if stale_ms < 0:
                continue
            if stale_ms > _STALE_MS or (best is not None and stale_ms >= best[0]):
                break
            if asked.request.language != request.language:
                continue
            matched = _behind(wanted, asked, from_ms=request.from_ms)
            if matched is None:
                continue
            edits, words = matched
            length_ms = request.to_ms - request.from_ms
            other_ms = asked.request.to_ms - asked.request.from_ms
            distance = stale_ms + edits * _EDIT_MS + abs(length_ms - other_ms) * _LENGTH_SHARE
            if best is None or distance < best[0]:
                heard = asked.hypothesis
                if not request.closing:  # what touched the end of the audio would pass any guard
                    edge_ms = asked.request.to_ms - min(stale_ms, _EDGE_MS)
                    words = tuple(word for word in words if word.end_ms <= edge_ms)
                best = (
                    distance,
                    Hypothesis(
                        words,
                        heard.language,
                        heard.language_probability,
                        heard.no_speech_probability,
                        heard.mean_logprob,
                        heard.truncated,
                    ),
                )
        return best[1] if best else None


def key_of(request: DecodeRequest) -> _Key:
    """What an answer depends on."""
    return (
        request.from_ms,
        request.to_ms,
        request.language,
        request.prefix,
        request.prompt,
        request.fill_ms,
        request.beam_size,
    )


def _heard_whole(asked: Sequence[Asked]) -> list[Asked]:
    """Requests in the order of their ends, the words of their prefixes put before their answers.

    The times of a prefix are those of the earlier answer that its words were committed from; a
    request whose prefix is found in none keeps it.
    """
    whole: list[Asked] = []
    for one in sorted(asked, key=lambda one: one.request.to_ms):
        before = next(
            (
                found
                for earlier in reversed(whole[-_EARLIER:])
                if (found := _run_of(earlier.hypothesis.words, one.request.prefix))
            ),
            (),
        )
        if before:
            heard = replace(one.hypothesis, words=(*before, *one.hypothesis.words))
            one = replace(one, request=replace(one.request, prefix=""), hypothesis=heard)
        whole.append(one)
    return whole


def _run_of(words: Sequence[Word], text: str) -> tuple[Word, ...]:
    """The words in a row that make up `text`; empty when there are none."""
    for first in range(len(words)):
        rest = text
        for place in range(first, len(words)):
            if not rest or not rest.startswith(words[place].text):
                break
            rest = rest[len(words[place].text) :]
            if not rest:
                return tuple(words[first : place + 1])
    return ()


def _behind(
    wanted: Sequence[str], asked: Asked, *, from_ms: int
) -> tuple[int, tuple[Word, ...]] | None:
    """The words of a hypothesis behind those of a prefix, and how many of these did not fit.

    None when the prefix ends before the hypothesis' own words begin: their times are not known.
    """
    words = asked.hypothesis.words
    if not wanted:
        if asked.request.from_ms > from_ms + 500:
            return None
        return 0, tuple(word for word in words if word.start_ms >= from_ms - 100)
    forced = [fold_word(word) for word in asked.request.prefix.split()]
    said = [*forced, *(fold_word(word.text) for word in words)]
    # Edit distance of `wanted` to any stretch of `said`, by where that stretch ends.
    row = [0] * (len(said) + 1)
    for count, word in enumerate(wanted, 1):
        above, row = row, [count]
        for place, other in enumerate(said, 1):
            row.append(
                min(above[place] + 1, row[place - 1] + 1, above[place - 1] + (word != other))
            )
    ends = range(len(forced), len(said) + 1)
    end = min(ends, key=lambda place: (row[place], place))
    if row[end] > len(wanted) // 2:
        return None
    return row[end], words[end - len(forced) :]


# --- files ------------------------------------------------------------------------------------


def save_recorded(recorded: Recorded, path: Path) -> None:
    """Write a recording's hypotheses; the same content gives the same bytes."""
    askers = sorted({name for asked in recorded.asked for name in asked.by})
    order = sorted(recorded.asked, key=lambda asked: tuple(map(str, key_of(asked.request))))
    order.sort(key=lambda asked: (asked.request.to_ms, asked.request.from_ms))
    content = {
        "id": recorded.id,
        "model": recorded.model,
        "frame_ms": recorded.frame_ms,
        "probabilities": [round(p * 1000) for p in recorded.probabilities],
        "askers": askers,
        "asked": [_asked_row(asked, askers) for asked in order],
        "identified": [
            [r.from_ms, r.to_ms, {code: round(share, 4) for code, share in scores.items()}]
            for r, scores in recorded.identified
        ],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def load_recorded(path: Path) -> Recorded:
    """Read what `save_recorded` wrote.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        content = cast("dict[str, Any]", json.loads(gzip.decompress(path.read_bytes())))
        askers = [str(name) for name in content["askers"]]
        return Recorded(
            id=str(content["id"]),
            model=str(content["model"]),
            frame_ms=int(content["frame_ms"]),
            probabilities=tuple(int(p) / 1000 for p in content["probabilities"]),
            asked=tuple(_asked(row, askers) for row in content["asked"]),
            identified=tuple(
                (
                    IdentifyRequest(int(from_ms), int(to_ms)),
                    {str(code): float(share) for code, share in scores.items()},
                )
                for from_ms, to_ms, scores in content["identified"]
            ),
        )
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: no recorded hypotheses ({error!r})") from error


def _asked_row(asked: Asked, askers: Sequence[str]) -> list[Any]:
    request, heard = asked.request, asked.hypothesis
    words: list[Any] = []
    at = request.from_ms
    for word in heard.words:  # times as differences: small numbers that repeat
        words += [word.text, word.start_ms - at, word.end_ms - word.start_ms]
        words.append(round(word.probability * 100))
        at = word.end_ms
    return [
        request.from_ms,
        request.to_ms,
        request.language,
        request.prefix,
        request.prompt,
        request.fill_ms,
        request.beam_size,
        sum(1 << askers.index(name) for name in asked.by),
        heard.language,
        round(heard.no_speech_probability, 3),
        round(heard.mean_logprob, 3),
        int(heard.truncated),
        words,
    ]


def _asked(row: Sequence[Any], askers: Sequence[str]) -> Asked:
    from_ms, to_ms, language, prefix, prompt, fill_ms, beam_size, by = row[:8]
    heard_language, no_speech, logprob, truncated, flat = row[8:]
    words: list[Word] = []
    at = int(from_ms)
    for place in range(0, len(flat), 4):
        text, gap_ms, length_ms, percent = flat[place : place + 4]
        start_ms = at + int(gap_ms)
        at = start_ms + int(length_ms)
        words.append(Word(str(text), start_ms, at, int(percent) / 100))
    return Asked(
        DecodeRequest(
            from_ms=int(from_ms),
            to_ms=int(to_ms),
            language=None if language is None else str(language),
            prefix=str(prefix),
            prompt=str(prompt),
            fill_ms=int(fill_ms),
            beam_size=int(beam_size),
        ),
        Hypothesis(
            words=tuple(words),
            language=str(heard_language),
            no_speech_probability=float(no_speech),
            mean_logprob=float(logprob),
            truncated=bool(truncated),
        ),
        frozenset(name for bit, name in enumerate(askers) if int(by) >> bit & 1),
    )
