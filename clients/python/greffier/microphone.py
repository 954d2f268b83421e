"""sounddevice, the optional way to the microphone (imports it; it has no types)."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import sounddevice  # pyright: ignore[reportMissingImports]

from greffier.errors import SourceFailed

__all__ = ["recording"]

_device: Any = cast("Any", sounddevice)


@contextmanager
def recording(
    hear: Callable[[bytes], None],
    *,
    device: str | int | None,
    rate: int,
    frames: int,
    channels: int = 1,
) -> Generator[None, None, None]:
    """Call `hear` from the driver's thread with `frames` frames of ``pcm_s16le`` at a time.

    Raises:
        SourceFailed: there is no such device, or it cannot be opened.
    """

    def callback(chunk: object, *_: object) -> None:
        hear(bytes(cast("memoryview", chunk)))

    try:
        stream = _device.RawInputStream(
            samplerate=rate,
            blocksize=frames,
            device=device,
            channels=channels,
            dtype="int16",
            callback=callback,
        )
    except (_device.PortAudioError, ValueError) as error:
        raise SourceFailed(
            "the microphone cannot be opened; is it connected and allowed?"
        ) from error
    with stream:
        yield
