"""Greffier, measured through the same port as the others."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import greffier
from benchmarks.corpora import Recording
from benchmarks.lag import Arrival
from benchmarks.rivals.port import Heard, Refused, RunningServer, now_ms
from benchmarks.rivals.screens import Screen
from benchmarks.streaming import play
from greffier_models.catalog import default_models_dir
from greffier_server.child import ChildServer

__all__ = ["OurServer", "screens_of"]


class OurServer:
    """``greffier serve`` without a language model."""

    name = "greffier"

    def __init__(self, *, model: str) -> None:
        """`model` is the catalogue's name of the weights that the rivals get as a folder."""
        self._model = model

    def serve(
        self, *, weights: Path, scratch: Path, streams: int
    ) -> AbstractContextManager[RunningServer]:
        """The server on a free port."""
        del weights
        return _served(
            ChildServer(
                data_dir=scratch / "greffier",
                models_dir=default_models_dir(),
                settings={
                    "GREFFIER_RECOGNITION__MODEL": self._model,
                    "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
                    "GREFFIER_LIMITS__MAX_SESSIONS": str(max(streams + 1, 8)),
                },
            )
        )

    async def play(self, recording: Recording, url: str) -> Heard:
        """Speak with the Python client and read to the end."""
        try:
            played = await play(recording, url)
        except greffier.GreffierError as error:
            raise Refused(f"Greffier refused: {error}") from error
        return Heard(recording, played.playback, screens_of(played.arrivals), now_ms())


@dataclass(slots=True)
class _Shown:
    """One segment on the screen."""

    start_ms: int
    committed: str = ""
    tail: str = ""


def screens_of(arrivals: list[Arrival]) -> list[Screen]:
    """The screens that captions add up to, segments in the order of their audio."""
    segments: dict[int, _Shown] = {}
    screens: list[Screen] = []
    for arrival in arrivals:
        caption = arrival.caption
        shown = segments.setdefault(caption.segment, _Shown(caption.start_ms))
        shown.committed += caption.committed
        shown.tail = caption.tail
        ordered = sorted(segments.values(), key=lambda segment: segment.start_ms)
        screens.append(
            Screen(
                arrival.at_ms,
                " ".join(segment.committed.strip() for segment in ordered if segment.committed),
                " ".join(segment.tail.strip() for segment in ordered if segment.tail),
            )
        )
    return screens


@contextmanager
def _served(server: ChildServer) -> Generator[RunningServer]:
    with server:
        yield server
