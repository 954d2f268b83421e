"""Replays of finished sessions: journal and recorded decisions have to give the same commits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.crashes.verdict import Tally
from greffier_models.errors import EngineError, WeightsError
from greffier_server.errors import ServerError
from greffier_server.replay_session import replay_session
from greffier_server.settings_sources import load_settings

__all__ = ["Rehearsal"]

_TENANT = "default"


class Rehearsal:
    """Hears sessions of a server again, as ``greffier replay`` does.

    Args:
        data_dir: of the server, which may be running.
        models_dir: weights; the server's default when None.
        model: speech model of the sessions.
    """

    def __init__(self, *, data_dir: Path, models_dir: Path | None, model: str) -> None:
        flags: Mapping[str, Any] = {
            "data_dir": data_dir,
            "models_dir": models_dir,
            "recognition": {"model": model},
        }
        self._settings = load_settings(flags=flags)

    async def hear(self, session: str) -> Tally:
        """Return what the replay of a finished session adds to the tally."""
        tally = Tally(replays=1)
        try:
            replayed = await replay_session(self._settings, _TENANT, session)
        except (ServerError, EngineError, WeightsError) as error:
            tally.replays_different = 1
            tally.complaints.append(f"{session}: no replay: {error.message}")
            return tally
        tally.replayed_starts = len(replayed.epochs)
        tally.replayed_events = sum(epoch.events for epoch in replayed.epochs)
        if not replayed.same:
            tally.replays_different = 1
            first = next((each.difference for each in replayed.epochs if each.difference), None)
            tally.complaints.append(
                f"{session}: the replay differs in {replayed.edits} words, first: {first}; "
                f"settings: {sorted(replayed.settings)}"
            )
        return tally
