"""How many live streams are taken: a setting, a measurement of this machine, or an estimate."""

import logging

from greffier_server.capacity import (
    choose_room,
    decode_cost_s,
    estimate_streams,
    read_capacity,
    this_machine,
)
from greffier_server.core.admission import Room
from greffier_server.loading import LoadedEngines
from greffier_server.settings import Settings

__all__ = ["estimate", "room_for"]

_log = logging.getLogger(__name__)

_UNWEIGHTED_STREAMS = 64
"""The fake engine's decodes cost nothing."""


def room_for(settings: Settings, loaded: LoadedEngines) -> Room:
    """How many live streams are taken; times a decode where nothing else says it (blocking)."""
    setting = settings.limits.max_sessions
    if setting is not None:
        return choose_room(setting, None, estimated=0)
    measured = read_capacity(settings.data_dir)
    machine = this_machine(loaded.identities["recognition"], workers=loaded.workers)
    if measured is not None and measured.machine != machine:
        _log.warning("the capacity was measured on another machine or model: greffier capacity")
        measured = None
    estimated = estimate(settings, loaded) if measured is None else 0
    room = choose_room(None, measured, estimated=estimated)
    _log.info("room for live streams: %d (%s)", room.streams, room.source)
    return room


def estimate(settings: Settings, loaded: LoadedEngines) -> int:
    """Streams by the time of one decode (blocking)."""
    if settings.recognition.engine == "fake" or loaded.engine is None:
        return _UNWEIGHTED_STREAMS
    return estimate_streams(decode_cost_s(loaded.engine), workers=loaded.workers)
