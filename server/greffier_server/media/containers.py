"""Which container a stream is, by its first bytes.

FFmpeg is never left to guess: among what it knows are playlists that make it open other files and
addresses. Only what is named here is opened, and only codecs of sound.
"""

from typing import Final

__all__ = ["CODECS", "HEAD_BYTES", "demuxer_of"]

HEAD_BYTES: Final = 12
"""As many bytes tell."""
CODECS: Final = frozenset(
    {
        "aac", "ac3", "alac", "eac3", "flac", "libopus", "mp2", "mp2float", "mp3", "mp3float",
        "opus", "pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "pcm_s16be",
        "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_u8", "vorbis",
    }
)  # fmt: skip


def demuxer_of(head: bytes) -> str | None:
    """Return FFmpeg's name of the container, None for anything else.

    Args:
        head: the first `HEAD_BYTES` or more.
    """
    match head[:4]:
        case b"OggS":
            return "ogg"
        case b"\x1aE\xdf\xa3":
            return "matroska"
        case b"fLaC":
            return "flac"
        case b"RIFF" | b"RF64" if head[8:12] == b"WAVE":
            return "wav"
        case b"FORM" if head[8:12] in (b"AIFF", b"AIFC"):
            return "aiff"
        case _:
            pass
    if head[4:8] in (b"ftyp", b"styp"):
        return "mp4"
    if head[:3] == b"ID3":
        return "mp3"
    if head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    if head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "mp3"
    return None
