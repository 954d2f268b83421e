"""How the recognition of a live channel is put together: the same for a session and its replay."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

from greffier_models.protocols import SpeechRecognizer, VoiceActivityDetector
from greffier_models.types import EngineIdentity
from greffier_server.capacity import this_processor
from greffier_server.core.channels import channel_numbers, speaker_names
from greffier_server.core.events import RecognitionBegun, SessionStarted
from greffier_server.core.policies import (
    POLICY_NAMES,
    PolicyName,
    PolicySettings,
    build_policy,
    default_dials,
)
from greffier_server.core.resumption import ChannelStart
from greffier_server.core.segments import Segmenter
from greffier_server.core.speech import SpeechSettings
from greffier_server.core.state import SessionState
from greffier_server.pipeline.feed import AudioFeed
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.pace import Pacing
from greffier_server.pipeline.recognise import Recognition
from greffier_server.pipeline.timing import Timing
from greffier_server.pipeline.vocabulary import Vocabulary

__all__ = ["Ears", "Listening", "channel_starts", "open_segmenter", "taking_part"]

_LEAD_IN_MS = 2_000
"""Heard before the context of a recovered session, for voice activity to settle."""
_PACKAGES = ("greffier", "numpy", "soxr", "onnxruntime", "faster-whisper", "tokenizers")


@dataclass(frozen=True, slots=True)
class Ears:
    """The models that listen."""

    recognizer: SpeechRecognizer
    vad: VoiceActivityDetector


@dataclass(frozen=True, slots=True)
class Listening:
    """The settings that decide what is heard, besides the audio and the models."""

    policy: PolicySettings
    speech: SpeechSettings
    expected_languages: tuple[str, ...] = ()

    @property
    def policy_name(self) -> PolicyName:
        """Of the policy whose dials these are."""
        kind = type(self.policy)
        return next(name for name in POLICY_NAMES if type(default_dials(name)) is kind)

    @classmethod
    def of(cls, begun: RecognitionBegun) -> "Listening":
        """Read them off the record; a dial that this version does not know is left out.

        Raises:
            ValueError: this version does not know the policy.
        """
        names: dict[str, PolicyName] = {name: name for name in POLICY_NAMES}
        name = names.get(begun.policy)
        if name is None:
            raise ValueError(f"there is no policy {begun.policy!r}")
        return cls(
            policy=_built(type(default_dials(name)), begun.dials),
            speech=_built(SpeechSettings, begun.speech),
            expected_languages=begun.expected_languages,
        )

    def recorded(
        self, identity: EngineIdentity, *, from_byte: int, versions: Mapping[str, str]
    ) -> RecognitionBegun:
        """Return the event that `of` reads.

        Args:
            identity: of the speech model.
            from_byte: the audio is heard from here on.
            versions: see `taking_part`.
        """
        return RecognitionBegun(
            engine=identity.engine,
            model=identity.model,
            digest=identity.digest,
            compute=identity.settings,
            policy=self.policy_name,
            dials=asdict(self.policy),
            speech=asdict(self.speech),
            expected_languages=self.expected_languages,
            from_byte=from_byte,
            versions=dict(versions),
        )

    def open(
        self,
        started: SessionStarted,
        start: ChannelStart,
        ears: Ears,
        *,
        log: EventLog,
        feed: AudioFeed,
        begin_ms: int,
        numbers: Iterator[int],
        pace: Pacing,
        timing: Callable[..., Timing],
        vocabulary: Vocabulary | None = None,
        stream: tuple[str, str] = ("", ""),
        on_progress: Callable[[], None] = lambda: None,
        on_commit: Callable[[int], None] = lambda lag_ms: None,
    ) -> Recognition:
        """Put one channel together.

        Args:
            started: what the session was asked to do.
            start: of the channel.
            ears: the models.
            log: where events go.
            feed: the channel's audio.
            begin_ms: where the feed begins.
            numbers: of the segments to come.
            pace: shared by the channels.
            timing: makes the channel's `Timing` from its policy and number.
            vocabulary: what is listened for; the session's own terms when absent.
            stream: tenant and session, for a fair share of the engine.
            on_progress: called whenever more audio has been looked at.
            on_commit: called with the lag of each committed batch of words.
        """
        policy = build_policy(
            self.policy,
            frame_ms=ears.vad.frame_ms,
            language=None if started.language == "auto" else started.language,
            expected=self.expected_languages,
            speech=self.speech,
            start_ms=begin_ms,
            decided_ms=start.decided_ms,
            committed=[word for segment in start.segments for word in segment.words],
        )
        return Recognition(
            log=log,
            feed=feed,
            policy=policy,
            segmenter=open_segmenter(started, start, numbers),
            recognizer=ears.recognizer,
            vad=ears.vad.open(),
            frame_ms=ears.vad.frame_ms,
            start_ms=begin_ms,
            vocabulary=vocabulary or Vocabulary(started.glossary),
            channel=start.channel,
            pace=pace,
            timing=timing(policy, start.channel),
            stream=stream,
            on_progress=on_progress,
            on_commit=on_commit,
        )


def channel_starts(
    started: SessionStarted, state: SessionState, policy: PolicySettings
) -> list[ChannelStart]:
    """Where each channel of a live session begins, with enough heard again for its context."""
    context_ms = policy.reach_ms + _LEAD_IN_MS
    return [ChannelStart.of(state, channel, context_ms) for channel in channel_numbers(started)]


def open_segmenter(
    started: SessionStarted, start: ChannelStart, numbers: Iterator[int]
) -> Segmenter:
    """Return the segmenter of a channel; a segment that was open goes on."""
    unclosed = next((segment for segment in start.segments if not segment.closed), None)
    names = speaker_names(started)
    return Segmenter(
        next_segment=unclosed.id if unclosed else 1,
        open_segment=unclosed.words if unclosed else (),
        language=unclosed.language if unclosed else "",
        numbers=numbers,
        channel=start.channel,
        speaker=names[start.channel - 1] if names else None,
    )


def taking_part() -> dict[str, str]:
    """Versions of the packages that take part in recognition, and the processor (blocking)."""
    versions: dict[str, str] = {"processor": this_processor()[0]}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _built(kind: type[Any], values: Mapping[str, int | float]) -> Any:
    """Dials as recorded; what a dial was before there was one is in its metadata."""
    dials = {each.name: each for each in fields(cast("Any", kind))}
    before = {
        name: dial.metadata["before"] for name, dial in dials.items() if "before" in dial.metadata
    }
    known = {name: value for name, value in values.items() if name in dials}
    return kind(**(before | known if values else {}))
