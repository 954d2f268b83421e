"""Replays a stored session with this machine's models: opens store, journal and engines for it."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from greffier_models.catalog import locate
from greffier_models.errors import WeightsError
from greffier_server.core.events import RecognitionBegun, Recorded
from greffier_server.core.policies import PolicyName, default_dials
from greffier_server.core.replayed import Replayed
from greffier_server.core.speech import PROFILES
from greffier_server.errors import (
    AudioMissing,
    ReplayRefused,
    SessionNotFound,
    SessionUnfinished,
)
from greffier_server.pipeline.listening import Ears, Listening
from greffier_server.pipeline.replaying import SessionReplay
from greffier_server.settings import LanguageModelSettings, Settings
from greffier_server.storing import open_to_read

__all__ = ["Instead", "replay_session"]


@dataclass(frozen=True, slots=True)
class Instead:
    """What takes the place of the recorded; None = as it was."""

    model: str | None = None
    """Catalogue name or folder."""
    policy: PolicyName | None = None
    fast: bool | None = None
    """The dials that commit sooner, or the usual ones."""
    profile: str | None = None
    """Kind of audio the voice detector expects."""
    as_served: bool = False
    """Everything that is not named as this server's settings have it today."""

    @property
    def nothing(self) -> bool:
        """The replay is to be faithful."""
        return self == Instead()


async def replay_session(
    settings: Settings, tenant: str, session: str, instead: Instead | None = None
) -> Replayed:
    """Replay a finished session.

    Args:
        settings: of the server: where sessions, audio and weights are.
        tenant: owner of the session.
        session: id.
        instead: what is to be different.

    Raises:
        SessionNotFound, SessionUnfinished, AudioMissing, StorageFailed.
        ReplayRefused: its log does not say what it rests on, or other weights are installed.
        WeightsError: the models are missing or damaged.
    """
    instead = instead or Instead()
    async with AsyncExitStack() as stack:
        store, journal = await open_to_read(settings, stack)
        row = await store.get(tenant, session)
        if row is None:
            raise SessionNotFound("There is no such session; --tenant names another owner.")
        if row.state != "finished":
            raise SessionUnfinished("The session has not finished: a replay needs all of it.")
        records: list[Recorded] = [record async for record in store.events(tenant, session)]
        if row.duration_ms and not await journal.size_bytes(tenant, session):
            raise AudioMissing("The session's audio is no longer kept.")
        replay = SessionReplay(records, await journal.open(tenant, session))
        chosen = await asyncio.to_thread(_with_model, settings, replay, instead)
        # Engines load here, so that --help stays quick.
        from greffier_server.assembly import build_engines

        engines = (await build_engines(chosen, stack)).engines
        ears = Ears(engines.recognizer, engines.vad)
        if instead.nothing:
            return await replay.faithful(ears)
        return await replay.otherwise(ears, _listening(settings, replay.begun, instead))


def _listening(settings: Settings, begun: RecognitionBegun, instead: Instead) -> Listening:
    wanted = settings.recognition
    if instead.as_served:
        listening = Listening(
            default_dials(wanted.policy, fast=wanted.latency == "fast"),
            PROFILES[wanted.profile],
            wanted.expected_languages,
        )
    else:
        try:
            listening = Listening.of(begun)
        except ValueError as error:
            raise ReplayRefused(f"{error}; name one with --policy.") from error
    if instead.policy is not None or instead.fast is not None:
        name = instead.policy or listening.policy_name
        listening = replace(listening, policy=default_dials(name, fast=bool(instead.fast)))
    if instead.profile is not None:
        listening = replace(listening, speech=PROFILES[instead.profile])
    return listening


def _with_model(settings: Settings, replay: SessionReplay, instead: Instead) -> Settings:
    """Settings that load the speech model of the replay, and no other model (blocking)."""
    begun, recognition = replay.begun, settings.recognition
    if instead.model is not None:
        found = recognition.model_copy(update={"engine": "whisper", "model": instead.model})
    elif instead.as_served:
        found = recognition
    elif begun.engine == "fake":
        found = recognition.model_copy(update={"engine": "fake"})
    else:
        if len(replay.models) > 1:
            raise ReplayRefused(
                "Several models recognised this session, one after the other; "
                "compare it with one of them: --model"
            )
        compute, _, device = begun.compute.partition(",")
        found = recognition.model_copy(
            update={
                "engine": "whisper",
                "model": _same_weights(settings, begun),
                "compute_type": compute or recognition.compute_type,
                "device": device if device in ("cpu", "cuda") else recognition.device,
            }
        )
    found = found.model_copy(update={"speakers": "off"})
    silent = LanguageModelSettings(engine="none")
    return settings.model_copy(update={"recognition": found, "language_model": silent})


def _same_weights(settings: Settings, begun: RecognitionBegun) -> str:
    """The name under which the recorded weights are installed."""
    for name in dict.fromkeys((settings.recognition.model, begun.model)):
        try:
            installed = locate(name, settings.models_path)
        except WeightsError:  # unknown or missing
            continue
        if installed.digest == begun.digest:
            return name
    raise ReplayRefused(
        f"The session was recognised by {begun.model} ({begun.digest[:12]}), which is not "
        "installed here. Install it, or compare the session with another model: --model"
    )
