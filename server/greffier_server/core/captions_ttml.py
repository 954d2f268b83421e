"""Captions as TTML, in the text profile of IMSC 1.1 (https://www.w3.org/TR/ttml-imsc1.1/)."""

import re
from xml.sax.saxutils import escape, quoteattr

from greffier_server.core.captions import caption_cues
from greffier_server.core.cues import Cue
from greffier_server.core.state import SessionState

__all__ = ["to_ttml"]

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" \
xmlns:tts="http://www.w3.org/ns/ttml#styling" xmlns:ttm="http://www.w3.org/ns/ttml#metadata" \
ttp:contentProfiles="http://www.w3.org/ns/ttml/profile/imsc1.1/text" ttp:timeBase="media" \
ttp:cellResolution="32 15" xml:lang={language} xml:space="preserve">
<head>
{agents}<styling>
<style xml:id="text" tts:fontFamily="proportionalSansSerif" tts:fontSize="80%" \
tts:lineHeight="125%" tts:color="#ffffff" tts:textAlign="center"/>
<style xml:id="line" tts:backgroundColor="#000000cc"/>
</styling>
<layout>
<region xml:id="bottom" tts:origin="5% 70%" tts:extent="90% 25%" tts:displayAlign="after" \
tts:overflow="visible"/>
</layout>
</head>
<body style="text" region="bottom">
<div>
"""


def to_ttml(state: SessionState, language: str | None = None) -> str:
    """Return the captions as TTML, `language` choosing a translation instead of the speech."""
    cues = caption_cues(state, language, named=True)
    speakers = list(dict.fromkeys(name for cue in cues if (name := _text(cue.speaker or ""))))
    agents = {name: f"s{number}" for number, name in enumerate(speakers, 1)}
    code = language or state.language or next((s.language for s in state.in_order()), "")
    head = _HEAD.format(language=quoteattr(_text(code)), agents=_metadata(agents))
    return head + "".join(_paragraph(cue, agents) for cue in cues) + "</div>\n</body>\n</tt>\n"


def _metadata(agents: dict[str, str]) -> str:
    if not agents:
        return ""
    told = "".join(
        f'<ttm:agent type="person" xml:id="{key}"><ttm:name type="full">{escape(name)}</ttm:name>'
        "</ttm:agent>\n"
        for name, key in agents.items()
    )
    return f"<metadata>\n{told}</metadata>\n"


def _paragraph(cue: Cue, agents: dict[str, str]) -> str:
    agent = agents.get(_text(cue.speaker or ""))
    who = f' ttm:agent="{agent}"' if agent else ""
    lines = "<br/>".join(escape(_text(line)) for line in cue.lines)
    return (
        f'<p begin="{_time(cue.start_ms)}" end="{_time(cue.end_ms)}"{who}>'
        f'<span style="line">{lines}</span></p>\n'
    )


def _text(text: str) -> str:
    """Drop what XML 1.0 cannot hold."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def _time(ms: int) -> str:
    seconds = ms // 1000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms % 1000:03}"
