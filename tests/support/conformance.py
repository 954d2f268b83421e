"""Which client of which version does what here, and by which test it is shown.

``python -m tests.support.conformance`` writes ``docs/reference/conformance.md`` anew.
"""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["CLIENTS", "FEATURES", "MARK", "PAGE", "Client", "page"]

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "conformance.md"

MARK: Final = "<!-- what follows is made by tests/support/conformance.py -->"

FEATURES: Final[Mapping[str, str]] = {
    "same text": "French and English clips give the text of the native protocol, word for word.",
    "same audio": "Recognition hears what was sent, to the byte (16 kHz, 16 bits, one channel).",
    "as spoken": "Words come while they are still being spoken.",
    "word times": "Each word has its times.",
    "tokens": "Each way to give a token opens the door; none is ever written down.",
    "errors": "Refusals come in the protocol's own words.",
    "unknown fields": "Fields that are not known here change nothing.",
    "hostile input": "Nonsense is answered, and a session beside has every word.",
    "golden file": "A whole conversation is compared with a recorded one.",
}


@dataclass(frozen=True, slots=True)
class Client:
    """One client through one of its protocols."""

    name: str
    package: str | None
    """What it is installed from; None = no package: it is spoken as it is published."""
    version: str
    """It was tested with; later ones of the same major version pass, too."""
    shown: Mapping[str, tuple[str, ...] | str]
    """Feature to its tests, or to why there is none."""


_TEXT: Final = "tests/e2e/test_same_text.py::test_every_live_client_has_the_native_text"
_FILE_TEXT: Final = (
    "tests/e2e/test_same_text.py::test_every_client_with_a_recording_has_the_native_text"
)
_AUDIO: Final = "tests/integration/test_same_audio.py::test_every_client_is_heard_to_the_byte"
_TOKENS: Final = (
    "tests/integration/test_tokens_unlogged.py::test_every_way_opens_every_socket",
    "tests/e2e/test_same_text.py::test_no_token_was_written_anywhere",
)
_HTTP_TOKENS: Final = (
    "tests/integration/test_tokens_unlogged.py::test_every_way_opens_every_request",
    "tests/integration/test_tokens_unlogged.py::test_no_token_was_written_anywhere",
)
_FUZZ: Final = "tests/e2e/test_fuzz.py::test_nothing_thrown_at_the_server_does_harm"
_REALTIME: Final = "tests/integration/test_openai_realtime.py"
_HTTP: Final = "tests/integration/test_openai_http.py"
_MISTRAL: Final = "tests/integration/test_mistral_realtime.py"
_VOICES: Final = "tests/integration/test_voices_clients.py"
_REFUSALS: Final = "tests/integration/test_voices_refusals.py"
_FILES: Final = "tests/unit/server/test_voice_conversations.py"
_CONVERSATIONS: Final = "tests/integration/test_conversations.py"
_RIVALS: Final = "tests/integration/test_rival_clients.py"
_WHIP: Final = "tests/integration/test_whip.py"
_CHROMIUM: Final = "tests/e2e/test_whip_chromium.py::test_chromium_publishes_and_restarts_ice"
_LOSSY: Final = "Opus is lossy; what it brought is heard to the sample"
_WHOLE: Final = "a recording is answered at its end"

CLIENTS: Final[tuple[Client, ...]] = (
    Client(
        "OpenAI, realtime",
        "openai",
        "3.54",
        {
            "same text": (_TEXT, f"{_RIVALS}::test_openai_realtime"),
            "same audio": (_AUDIO,),
            "as spoken": (f"{_REALTIME}::test_items_are_found_by_pauses",),
            "word times": "the protocol has none; log-probabilities of words it has",
            "tokens": _TOKENS,
            "errors": (
                f"{_REALTIME}::test_what_cannot_be_used_is_answered_and_the_conversation_goes_on",
            ),
            "unknown fields": (
                f"{_REALTIME}::test_what_cannot_be_used_is_answered_and_the_conversation_goes_on",
            ),
            "hostile input": (
                f"{_REALTIME}::test_no_conversation_harms_the_server_or_another_one",
                _FUZZ,
            ),
            "golden file": (
                f"{_REALTIME}::test_items_that_the_client_commits",
                f"{_REALTIME}::test_items_are_found_by_pauses",
                f"{_REALTIME}::test_the_shape_of_before",
            ),
        },
    ),
    Client(
        "OpenAI, recordings",
        "openai",
        "3.54",
        {
            "same text": (_FILE_TEXT, f"{_RIVALS}::test_openai_transcribes_in_every_format"),
            "same audio": (_AUDIO,),
            "as spoken": (f"{_RIVALS}::test_openai_streams_a_transcription",),
            "word times": (f"{_RIVALS}::test_openai_transcribes_in_every_format",),
            "tokens": _HTTP_TOKENS,
            "errors": (f"{_RIVALS}::test_openai_reads_our_errors",),
            "unknown fields": (f"{_CONVERSATIONS}::test_openai_over_http",),
            "hostile input": (f"{_HTTP}::test_what_is_no_recording_is_answered", _FUZZ),
            "golden file": (f"{_CONVERSATIONS}::test_openai_over_http",),
        },
    ),
    Client(
        "Mistral, realtime",
        "mistralai",
        "3.7",
        {
            "same text": (_TEXT, f"{_RIVALS}::test_mistral_realtime"),
            "same audio": (_AUDIO, f"{_MISTRAL}::test_wider_samples_are_the_same_sound"),
            "as spoken": (f"{_MISTRAL}::test_hosted",),
            "word times": "the protocol has times of segments",
            "tokens": _TOKENS,
            "errors": (f"{_MISTRAL}::test_what_cannot_be_used_is_answered",),
            "unknown fields": (f"{_MISTRAL}::test_hosted",),
            "hostile input": (f"{_MISTRAL}::test_what_cannot_be_used_is_answered", _FUZZ),
            "golden file": (f"{_MISTRAL}::test_hosted",),
        },
    ),
    Client(
        "Mistral, recordings",
        "mistralai",
        "3.7",
        {
            "same text": (_FILE_TEXT, f"{_RIVALS}::test_mistral_reads_a_recording"),
            "same audio": (_AUDIO,),
            "as spoken": _WHOLE,
            "word times": (f"{_HTTP}::test_every_format_tells_the_same",),
            "tokens": _HTTP_TOKENS,
            "errors": (f"{_HTTP}::test_a_field_that_cannot_be_used_is_named",),
            "unknown fields": (f"{_CONVERSATIONS}::test_openai_over_http",),
            "hostile input": (f"{_HTTP}::test_what_is_no_recording_is_answered", _FUZZ),
            "golden file": (f"{_CONVERSATIONS}::test_openai_over_http",),
        },
    ),
    Client(
        "vLLM, realtime",
        None,
        "as its example speaks",
        {
            "same text": (_TEXT, f"{_RIVALS}::test_vllm_realtime"),
            "same audio": (_AUDIO,),
            "as spoken": (f"{_MISTRAL}::test_vllm",),
            "word times": "the protocol has none",
            "tokens": _TOKENS,
            "errors": (f"{_MISTRAL}::test_vllm",),
            "unknown fields": (f"{_MISTRAL}::test_vllm",),
            "hostile input": (f"{_MISTRAL}::test_vllm", _FUZZ),
            "golden file": (f"{_MISTRAL}::test_vllm",),
        },
    ),
    Client(
        "Deepgram, live",
        "deepgram-sdk",
        "7.17",
        {
            "same text": (_TEXT,),
            "same audio": (_AUDIO,),
            "as spoken": (f"{_VOICES}::test_deepgram_streams",),
            "word times": (f"{_VOICES}::test_deepgram_streams",),
            "tokens": (*_TOKENS, f"{_REFUSALS}::test_each_way_of_giving_a_token"),
            "errors": (f"{_REFUSALS}::test_deepgram_refuses_what_it_cannot_do",),
            "unknown fields": (f"{_VOICES}::test_deepgram_streams",),
            "hostile input": (
                f"{_REFUSALS}::test_deepgram_says_what_it_could_not_read_and_goes_on",
                _FUZZ,
            ),
            "golden file": (f"{_FILES}::test_clients_are_told_what_was_reviewed",),
        },
    ),
    Client(
        "Deepgram, recordings",
        "deepgram-sdk",
        "7.17",
        {
            "same text": (_FILE_TEXT,),
            "same audio": (_AUDIO,),
            "as spoken": _WHOLE,
            "word times": (f"{_VOICES}::test_deepgram_posts_a_recording",),
            "tokens": _HTTP_TOKENS,
            "errors": (f"{_REFUSALS}::test_deepgram_fetches_nothing",),
            "unknown fields": (f"{_CONVERSATIONS}::test_deepgram_over_http",),
            "hostile input": (_FUZZ,),
            "golden file": (f"{_CONVERSATIONS}::test_deepgram_over_http",),
        },
    ),
    Client(
        "WhisperLive",
        None,
        "whisper-live 0.10",
        {
            "same text": (_TEXT,),
            "same audio": (_AUDIO,),
            "as spoken": (f"{_VOICES}::test_whisperlive_keeps_every_word",),
            "word times": (f"{_VOICES}::test_whisperlive_keeps_every_word",),
            "tokens": (*_TOKENS, f"{_REFUSALS}::test_each_way_of_giving_a_token"),
            "errors": (f"{_REFUSALS}::test_whisperlive_says_what_is_wrong",),
            "unknown fields": (f"{_REFUSALS}::test_each_way_of_giving_a_token",),
            "hostile input": (
                "tests/integration/test_voices_fuzz.py::test_nothing_a_client_sends_touches_the_session_beside",
                _FUZZ,
            ),
            "golden file": (f"{_FILES}::test_clients_are_told_what_was_reviewed",),
        },
    ),
    Client(
        "Vosk",
        "vosk",
        "0.3.45",
        {
            "same text": (_TEXT,),
            "same audio": (_AUDIO,),
            "as spoken": (f"{_VOICES}::test_vosk_is_answered_frame_by_frame",),
            "word times": (f"{_VOICES}::test_vosk_is_answered_frame_by_frame",),
            "tokens": (*_TOKENS, f"{_REFUSALS}::test_each_way_of_giving_a_token"),
            "errors": (f"{_REFUSALS}::test_vosk_ends_with_a_reason",),
            "unknown fields": (f"{_VOICES}::test_vosk_knows_reset_alternatives_and_punctuation",),
            "hostile input": (
                "tests/integration/test_voices_fuzz.py::test_nothing_a_client_sends_touches_the_session_beside",
                _FUZZ,
            ),
            "golden file": (f"{_FILES}::test_clients_are_told_what_was_reviewed",),
        },
    ),
    Client(
        "Wyoming",
        "wyoming",
        "1.10",
        {
            "same text": (_TEXT,),
            "same audio": (_AUDIO,),
            "as spoken": (f"{_VOICES}::test_wyoming_transcribes_for_home_assistant",),
            "word times": "the protocol has none",
            "tokens": "the protocol has none: clients are known by their address",
            "errors": (f"{_REFUSALS}::test_wyoming_ends_who_is_idle_and_who_comes_too_many",),
            "unknown fields": (f"{_CONVERSATIONS}::test_wyoming",),
            "hostile input": (f"{_REFUSALS}::test_wyoming_answers_nonsense", _FUZZ),
            "golden file": (f"{_CONVERSATIONS}::test_wyoming",),
        },
    ),
    Client(
        "WebRTC: aiortc",
        "aiortc",
        "1.16",
        {
            "same text": (
                "tests/e2e/test_same_text.py::test_what_webrtc_brought_has_the_native_text",
            ),
            "same audio": _LOSSY,
            "as spoken": (f"{_WHIP}::test_a_tone_arrives_on_the_clock_of_its_sender",),
            "word times": "captions on the data channel are those of the native protocol",
            "tokens": (f"{_WHIP}::test_the_token_and_the_origin_are_asked_for", *_HTTP_TOKENS),
            "errors": (f"{_WHIP}::test_what_is_no_offer_is_refused",),
            "unknown fields": (
                "tests/property/test_whip_offers.py::test_what_is_not_taken_is_refused_in_its_place",
            ),
            "hostile input": (
                "tests/property/test_whip_offers.py::test_broken_offers_are_refused",
                _FUZZ,
            ),
            "golden file": "offers and answers are new each time; their parts are compared",
        },
    ),
    Client(
        "WebRTC: Chromium",
        None,
        "Debian's",
        {
            "same text": "its microphone is a hum; the same path as aiortc's",
            "same audio": _LOSSY,
            "as spoken": (
                "tests/e2e/test_pages_spoken.py::test_webrtc_goes_on_by_websocket_through_a_restart",
            ),
            "word times": "as aiortc's",
            "tokens": (f"{_WHIP}::test_the_token_and_the_origin_are_asked_for",),
            "errors": ("tests/e2e/test_pages_spoken.py::test_what_cannot_be_heard_is_said",),
            "unknown fields": (_CHROMIUM,),
            "hostile input": ("tests/property/test_whip_offers.py::test_any_text_as_a_fragment",),
            "golden file": "as aiortc's",
        },
    ),
)


def page(written: str) -> str:
    """The page: what is written by hand up to the mark, and behind it the table above."""
    numbers: dict[str, int] = {}

    def number(test: str) -> int:
        return numbers.setdefault(test, len(numbers) + 1)

    lines = [
        MARK,
        "",
        *(f"- **{feature}**: {meaning}" for feature, meaning in FEATURES.items()),
        "",
        f"| client | tested with | {' | '.join(FEATURES)} |",
        f"| --- | --- |{' --- |' * len(FEATURES)}",
    ]
    reasons: list[str] = []
    for client in CLIENTS:
        version = f"`{client.package}` {client.version}" if client.package else client.version
        cells: list[str] = []
        for feature in FEATURES:
            shown = client.shown[feature]
            if isinstance(shown, str):
                cells.append("–")
                reasons.append(f"- {client.name}, {feature}: {shown}.")
            else:
                cells.append("yes " + " ".join(f"[{number(test)}]" for test in shown))
        lines.append(f"| {client.name} | {version} | {' | '.join(cells)} |")
    lines += ["", "## What does not apply", "", *reasons, "", "## The tests", ""]
    for test, place in numbers.items():
        file, _, name = test.partition("::")
        lines.append(f"{place}. `{file}`: `{name}`")
    return written.partition(MARK)[0] + "\n".join(lines) + "\n"


def installed(package: str) -> str:
    """Version of a package here."""
    return importlib.metadata.version(package)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
