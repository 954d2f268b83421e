"""Puts minutes into other languages when they are asked for, and keeps what it made."""

import asyncio
from collections.abc import Sequence

from greffier.protocol import GlossaryTerm
from greffier_models.errors import EngineTimeout
from greffier_models.protocols import TextGenerator
from greffier_server.core.document_events import TranslatedSentence
from greffier_server.core.document_terms import session_glossary
from greffier_server.core.events import MinutesTranslated
from greffier_server.core.minutes_translation import MinutesTranslation
from greffier_server.core.state import SessionState
from greffier_server.core.translation import TranslationTask, needs_translation
from greffier_server.pipeline.answering import LanguageModelOff, OneAtATime
from greffier_server.pipeline.background import InBackground
from greffier_server.pipeline.editing import Editor
from greffier_server.pipeline.generation import Sleep
from greffier_server.pipeline.shelf import Shelved
from greffier_server.pipeline.translator import Resting, Translator

__all__ = ["MinutesTranslating"]

PATIENCE_S = 900.0
_KEPT_AT_ONCE = 12
"""Sentences, so that little is lost when the client goes away or the model dies."""


class MinutesTranslating:
    """Translates what is missing, and records it with the session.

    Args:
        generator: the language model, shared with sessions; None = there is none.
        editor: appends to sessions.
        places: who is at the model now.
        sleep: waits between retries.
        patience_s: for one document.
    """

    def __init__(
        self,
        generator: TextGenerator | None,
        editor: Editor,
        *,
        places: OneAtATime,
        sleep: Sleep = asyncio.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._generator = generator
        self._editor = editor
        self._places = places
        self._sleep = sleep
        self._patience_s = patience_s

    async def complete(
        self,
        tenant: str,
        session: str,
        state: SessionState,
        texts: Sequence[str],
        *,
        source: str,
        target: str,
    ) -> MinutesTranslation:
        """Return `texts` in `target`; those that are known already are not translated again.

        Args:
            tenant: owner.
            session: id.
            state: of the session; its glossary is kept to.
            texts: of its minutes or notes, in `source`.
            source: their language.
            target: another one.

        Raises:
            LanguageModelOff, QuestionRunning: something is missing, and cannot be made now.
            SessionNotFound, SessionBusy, StorageFailed.
            EngineError: the model does not answer, or not in time; what is done is kept.
        """
        found = MinutesTranslation(source, target, state.minutes_in.get(target, {}))
        missing = found.missing(texts)
        if not missing:
            return found
        if self._generator is None:
            raise LanguageModelOff(
                f"the minutes are in {source}, and this server runs no language model to translate "
                "them; see [llm] in its settings"
            )
        started = state.started
        glossary = session_glossary(started.glossary if started else (), state.documents)
        translator = Translator(InBackground(self._generator), sleep=self._sleep)
        known = dict(found.known)
        async with self._places.place(tenant):
            try:
                async with asyncio.timeout(self._patience_s):
                    for first in range(0, len(missing), _KEPT_AT_ONCE):
                        part = missing[first : first + _KEPT_AT_ONCE]
                        made = [
                            await _translated(translator, text, source, target, glossary)
                            for text in part
                        ]
                        await self._keep(tenant, session, source, target, made)
                        known.update((one.source, one) for one in made)
            except TimeoutError:
                raise EngineTimeout("the language model took too long; ask again later") from None
        return MinutesTranslation(source, target, known)

    async def _keep(
        self,
        tenant: str,
        session: str,
        source: str,
        target: str,
        made: Sequence[TranslatedSentence],
    ) -> None:
        event = MinutesTranslated(source, target, tuple(made))

        def told(now: Shelved) -> MinutesTranslated:
            del now
            return event

        await self._editor.add(tenant, session, told)


async def _translated(
    translator: Translator,
    text: str,
    source: str,
    target: str,
    glossary: Sequence[GlossaryTerm],
) -> TranslatedSentence:
    if not needs_translation(text, source, target):
        return TranslatedSentence(text, text)
    task = TranslationTask(text, source, target, glossary=tuple(glossary))
    try:
        outcome = await translator.translate(task, repair=lambda: True)
    except Resting as resting:
        raise EngineTimeout("the language model does not answer; ask again later") from resting
    return TranslatedSentence(text, outcome.text, outcome.doubts)
