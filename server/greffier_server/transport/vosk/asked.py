"""What a Vosk client asks for, in ``config`` messages and in the address."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from greffier.protocol import AudioFormat, GlossaryTerm, Start
from greffier_server.errors import MalformedMessage

__all__ = ["Command", "Configuration", "read_command"]

Command = Literal["config", "eof", "reset"]

_DEFAULT_RATE: Final = 8_000
"""Of vosk-server."""
_MOST_ALTERNATIVES: Final = 100
_MAX_PHRASES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Configuration:
    """How a client is listened to and answered."""

    language: str = "auto"
    punctuated: bool = False
    """Words as they are written, not bare."""
    rate: int = _DEFAULT_RATE
    words: bool = True
    alternatives: bool = False
    phrases: tuple[str, ...] = ()

    @classmethod
    def of_address(cls, query: Mapping[str, str]) -> "Configuration":
        """Read what the address says: ``?language=fr&punctuated=true``."""
        language = query.get("language", "auto").lower()
        return cls(language, punctuated=query.get("punctuated", "").lower() in {"1", "true"})

    def updated(self, config: Mapping[str, object]) -> "Configuration":
        """Return it with what a ``config`` message says; other fields are ignored.

        Raises:
            MalformedMessage: the message says which field.
        """
        rate = config.get("sample_rate", self.rate)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 1 <= rate <= 1e6:
            raise MalformedMessage("config.sample_rate: is a number of samples a second")
        alternatives = config.get("max_alternatives", int(self.alternatives))
        if not isinstance(alternatives, int) or not 0 <= alternatives <= _MOST_ALTERNATIVES:
            raise MalformedMessage(f"config.max_alternatives: is 0 to {_MOST_ALTERNATIVES}")
        phrases = config.get("phrase_list")
        return replace(
            self,
            rate=round(rate),
            words=bool(config.get("words", self.words)),
            alternatives=alternatives > 0,
            phrases=self.phrases if phrases is None else _phrases(phrases),
        )

    @property
    def start(self) -> Start:
        """What the native protocol would ask."""
        return Start(
            format=AudioFormat("pcm_s16le", self.rate, 1),
            language=self.language,
            glossary=tuple(GlossaryTerm(phrase) for phrase in self.phrases),
        )


def read_command(text: str) -> tuple[Command, Mapping[str, object]]:
    """Read a text message; return its kind, and what a ``config`` holds.

    Raises:
        MalformedMessage: it is none of the protocol's.
    """
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        message = cast("dict[str, object]", found)
        config = message.get("config")
        if isinstance(config, dict):
            return "config", cast("dict[str, object]", config)
        if "eof" in message:
            return "eof", {}
        if "reset" in message:
            return "reset", {}
    raise MalformedMessage('send audio, or one of {"config": {…}}, {"reset": 1}, {"eof": 1}')


def _phrases(listed: object) -> tuple[str, ...]:
    """Phrases of the grammar; ``[unk]`` is Vosk's own word for all others."""
    if not isinstance(listed, list):
        raise MalformedMessage("config.phrase_list: is a list of texts")
    named = [one.strip() for one in cast("list[object]", listed) if isinstance(one, str)]
    known = [phrase for phrase in dict.fromkeys(named) if phrase and phrase != "[unk]"]
    return tuple(known[:_MAX_PHRASES])
