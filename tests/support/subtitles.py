"""Strict readers of SubRip and WebVTT: anything outside the grammar is an error."""

import re
from dataclasses import dataclass

__all__ = ["ReadCue", "read_srt", "read_vtt"]


@dataclass(frozen=True, slots=True)
class ReadCue:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    voice: str = ""


def read_srt(text: str) -> list[ReadCue]:
    """Blocks of number, times with a comma, one line or more, divided by one empty line."""
    if not text:
        return []
    assert text.endswith("\n")
    assert "\r" not in text
    cues: list[ReadCue] = []
    for number, block in enumerate(text.removesuffix("\n").split("\n\n"), start=1):
        index, times, *lines = block.split("\n")
        assert index == str(number)
        match = re.fullmatch(rf"{_TIME.format(',')} --> {_TIME.format(',')}", times)
        assert match, times
        assert lines
        assert all(line.strip() for line in lines)
        assert not any("-->" in line for line in lines)
        cues.append(ReadCue(_ms(match.groups()[:4]), _ms(match.groups()[4:]), tuple(lines)))
    return cues


def read_vtt(text: str) -> list[ReadCue]:
    """The WebVTT of the W3C's grammar, as far as cues with voices go; identifiers are optional."""
    header, *blocks = text.removesuffix("\n").split("\n\n")
    assert header.rstrip("\n") == "WEBVTT"
    cues: list[ReadCue] = []
    for block in blocks:
        times, *lines = block.split("\n")
        if "-->" not in times:
            assert times
            times, *lines = lines
        match = re.fullmatch(rf"{_TIME.format('[.]')} --> {_TIME.format('[.]')}", times)
        assert match, times
        voice = ""
        tag = re.match(r"<v ([^<>\n]+)>", lines[0])
        if tag:
            voice, lines[0] = tag.group(1), lines[0][tag.end() :]
        assert lines
        assert all(line.strip() for line in lines)
        body = "\n".join(lines)
        assert not re.search(r"[<>]|-->|&(?!amp;|lt;|gt;)", body), body
        plain = [
            line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for line in lines
        ]
        cues.append(ReadCue(_ms(match.groups()[:4]), _ms(match.groups()[4:]), tuple(plain), voice))
    return cues


_TIME = r"(\d\d+):([0-5]\d):([0-5]\d){}(\d\d\d)"


def _ms(parts: tuple[str, ...]) -> int:
    hours, minutes, seconds, ms = map(int, parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms
