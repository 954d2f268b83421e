"""Who speaks on which channel of a session's audio."""

from typing import Protocol

from greffier.protocol import AudioFormat, ChannelUse
from greffier_server.errors import MalformedMessage

__all__ = ["MAX_NAME_CHARS", "Speaking", "channel_numbers", "check_speakers", "speaker_names"]

MAX_NAME_CHARS = 100


class Speaking(Protocol):
    """What ``start`` and the first event say of the channels."""

    @property
    def format(self) -> AudioFormat:
        """Of the audio."""
        ...

    @property
    def channels(self) -> ChannelUse:
        """Whether each channel is a speaker."""
        ...

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names, in order of the channels."""
        ...


def check_speakers(asked: Speaking) -> None:
    """Check the names of the speakers.

    Raises:
        MalformedMessage: there are names for channels that there are not, or a name is too long.
    """
    if asked.speakers and asked.channels != "separate":
        raise MalformedMessage('start.speakers: name channels; add "channels": "separate"')
    if len(asked.speakers) > asked.format.channels:
        raise MalformedMessage(
            f"start.speakers: has more names than the audio has channels ({asked.format.channels})"
        )
    if any(len(name) > MAX_NAME_CHARS for name in asked.speakers):
        raise MalformedMessage(f"start.speakers: a name has at most {MAX_NAME_CHARS} characters")


def channel_numbers(asked: Speaking) -> tuple[int, ...]:
    """Numbers of the channels that are recognised: from 1, or 0 alone where they are mixed down."""
    if asked.channels != "separate":
        return (0,)
    return tuple(range(1, asked.format.channels + 1))


def speaker_names(asked: Speaking) -> tuple[str, ...]:
    """Name of each separate channel's speaker, its number where none is given; () when mixed."""
    if asked.channels != "separate":
        return ()
    given = dict(enumerate((" ".join(name.split()) for name in asked.speakers), start=1))
    return tuple(given.get(number) or str(number) for number in channel_numbers(asked))
