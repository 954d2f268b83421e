"""Captions as Advanced SubStation Alpha (.ass, script type v4.00+)."""

import re

from greffier_server.core.captions import caption_cues
from greffier_server.core.state import SessionState

__all__ = ["to_ass"]

_HEAD = """[Script Info]
ScriptType: v4.00+
PlayResX: 1280
PlayResY: 720
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, \
Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,44,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,2,0,2,\
40,40,36,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def to_ass(state: SessionState, language: str | None = None) -> str:
    """Return the captions as ASS, `language` choosing a translation instead of the speech.

    The format has no escape that every player knows: braces, which open commands, become full-width
    ones, and a word joiner keeps a backslash from beginning one.
    """
    lines = [
        f"Dialogue: 0,{_time(cue.start_ms)},{_time(cue.end_ms)},Default,{_name(cue.speaker)},"
        + "0,0,0,,"
        + r"\N".join(_inert(line) for line in cue.lines)
        for cue in caption_cues(state, language, named=True)
    ]
    return _HEAD + "\n".join(lines) + ("\n" if lines else "")


def _inert(text: str) -> str:
    text = re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", text)
    return text.replace("\\", "\\\u2060").replace("{", "｛").replace("}", "｝")


def _name(speaker: str | None) -> str:
    return _inert(speaker or "").replace(",", " ").replace(";", " ")


def _time(ms: int) -> str:
    """Hundredths of a second are all the format has; cues never get shorter by it."""
    hundredths = ms // 10
    seconds = hundredths // 100
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{hundredths % 100:02}"
