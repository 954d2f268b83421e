"""One piece of speech into one language: attempt, check, one repair, and what is left in doubt."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from greffier.protocol import Doubt
from greffier_models.errors import EngineError, EngineTimeout
from greffier_models.protocols import TextGenerator
from greffier_models.types import GenerationOptions, Prompt
from greffier_server.core.spoken_orders import addresses_a_machine
from greffier_server.core.translation import (
    Defect,
    TranslationTask,
    better,
    clean,
    judge,
    quoted_prompt,
    repair_prompt,
    token_limit,
    translation_prompt,
)
from greffier_server.pipeline.generation import RETRY_DELAYS_S, Sleep, complete

__all__ = ["REST_S", "TIMEOUTS_BEFORE_REST", "Outcome", "Resting", "Translator"]

TIMEOUTS_BEFORE_REST = 2
REST_S = 30.0
"""A model that let so many pieces in a row time out is left alone so long: with one timeout a
piece, a session would end hours after its speech."""

_TIMEOUT_S = 60.0
Grown = Callable[[str], Awaitable[None]]


class Resting(Exception):
    """The model is left alone for a while.

    Args:
        code: of the error that it showed last.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Outcome:
    """A translation, or why there is none."""

    text: str
    """Empty where `defect` is set."""
    doubts: tuple[Doubt, ...] = ()
    defect: Defect | None = None


class Translator:
    """Asks the model for one session and language; knows when it is down.

    Args:
        generator: the language model, shared between sessions.
        sleep: waits between retries.
    """

    def __init__(self, generator: TextGenerator, *, sleep: Sleep = asyncio.sleep) -> None:
        self._generator = generator
        self._sleep = sleep
        self._down = False
        self._timeouts = 0
        self._asked_again_at_s = 0.0
        self._last_code = ""

    async def translate(
        self, task: TranslationTask, *, repair: Callable[[], bool], grown: Grown | None = None
    ) -> Outcome:
        """Translate a clause or sentence.

        Args:
            task: what is said.
            repair: whether there is time for a second attempt at a doubtful answer.
            grown: is given the cleaned text so far, without its unfinished last word.

        Raises:
            EngineError: no answer could be had.
            Resting: the model is not asked at the moment.
        """
        # What may sound like an order to the model is put to it as a quotation from the start.
        first = quoted_prompt if addresses_a_machine(task.text) else translation_prompt
        answer = clean(await self._generate(first(task), task, grown))
        verdict = judge(task, answer)
        if not verdict.sound and repair():
            # What is no translation at all is a bad turn to build on: ask anew, without context.
            prompt = (
                quoted_prompt(task)
                if verdict.defect
                else repair_prompt(task, answer, verdict.mismatches, verdict.missed)
            )
            second = clean(await self._generate(prompt, task, grown))
            verdict = better(verdict, judge(task, second))
        if verdict.defect is not None:
            return Outcome("", defect=verdict.defect)
        return Outcome(verdict.text, verdict.doubts)

    async def draft(self, task: TranslationTask) -> str:
        """Translate a beginning, once and unchecked; nothing when it is no translation.

        Raises:
            EngineError, Resting: as in `translate`.
        """
        first = quoted_prompt if addresses_a_machine(task.text) else translation_prompt
        answer = clean(await self._generate(first(task), task, None, retry=False))
        return "" if judge(task, answer).defect else answer.rstrip(".…")

    async def _generate(
        self, prompt: Prompt, task: TranslationTask, grown: Grown | None, *, retry: bool = True
    ) -> str:
        if asyncio.get_running_loop().time() < self._asked_again_at_s:
            raise Resting(self._last_code)

        shown = ""

        async def show(answer: str) -> None:
            nonlocal shown
            tail = clean(answer.rpartition(" ")[0])
            if grown is not None and tail and tail != shown:
                shown = tail
                await grown(tail)

        options = GenerationOptions(
            max_tokens=token_limit(task.text), stop=("\n",), priority=0, timeout_s=_TIMEOUT_S
        )
        try:
            answer = await complete(
                self._generator,
                prompt,
                options,
                sleep=self._sleep,
                delays_s=RETRY_DELAYS_S if retry and not self._down else (),
                grown=show,
            )
        except EngineError as error:
            self._down, self._last_code = error.retryable, error.code
            self._timeouts = self._timeouts + 1 if isinstance(error, EngineTimeout) else 0
            if self._timeouts >= TIMEOUTS_BEFORE_REST:
                self._asked_again_at_s = asyncio.get_running_loop().time() + REST_S
            raise
        self._down = False
        self._timeouts = 0
        return answer
