"""Which stages run downstream of recognition, for what a session was asked to do, and how."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from greffier_models.protocols import TextGenerator
from greffier_server.core.events import Event, RecognitionFinished, SessionStarted, StageFailed
from greffier_server.core.translation_policies import TRANSLATION_POLICIES, PolicyName
from greffier_server.pipeline.log import EventLog, LogClosed
from greffier_server.pipeline.minute import MinuteStage
from greffier_server.pipeline.ports import Stage
from greffier_server.pipeline.translate import TranslateStage

__all__ = ["AbsentModel", "Translating", "downstream_stages", "run_stage"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Translating:
    """How sessions are translated."""

    policy: PolicyName = "clause"
    languages: frozenset[str] = frozenset()
    """That the model knows; empty = not known, and every one is tried."""


class AbsentModel:
    """Says once that what the session asked for needs a language model, and there is none."""

    name = "absent-model"
    reads: frozenset[type[Event]] = frozenset()
    writes: frozenset[type[Event]] = frozenset({StageFailed})

    async def run(self, log: EventLog) -> None:
        """Record the failure unless the history already holds it."""
        failed = StageFailed(
            stage="translate",
            code="no_language_model",
            message="This server has no language model: captions only, no translation.",
        )
        known = [True async for record in log.past() if record.event == failed]
        if not known:
            await log.append(failed)


def downstream_stages(
    started: SessionStarted,
    generator: TextGenerator | None,
    *,
    minutes_after: type[Event] = RecognitionFinished,
    translating: Translating | None = None,
) -> Sequence[Stage]:
    """Stages of one session; each language is translated once, whatever the number of viewers."""
    if generator is None:
        return [AbsentModel()] if started.translate_to else []
    how = translating or Translating()
    stages: list[Stage] = [
        TranslateStage(
            generator,
            language,
            glossary=started.glossary,
            policy=TRANSLATION_POLICIES[how.policy](),
            languages=how.languages,
        )
        for language in started.translate_to
    ]
    if started.minutes:
        stages.append(MinuteStage(generator, after=minutes_after))
    return stages


async def run_stage(stage: Stage, log: EventLog, session: str) -> None:
    """Run a stage of a session to its end; what fails downstream takes no captions with it."""
    try:
        await stage.run(log)
    except LogClosed:
        raise
    except Exception:  # noqa: BLE001 - recorded, and logged without its content
        _log.exception("stage %s of session %s failed", stage.name, session)
        message = "A part of the server failed; its log says where. Captions go on."
        await log.append(StageFailed(stage.name, "internal_error", message))
