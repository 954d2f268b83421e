"""Questions over HTTP: answers that cite, none where nothing was said, and a model that fails."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from greffier.cli import build
from greffier_models.errors import EngineError, EngineUnavailable, PromptTooLong
from greffier_models.types import GenerationOptions, Prompt, TextPiece
from greffier_server.pipeline.answering import Answering, OneAtATime, QuestionRunning
from greffier_server.pipeline.shelf import Shelf
from greffier_server.settings import Settings, TenantToken, hash_token
from tests.support.archived import ArchiveKit, Said, archive_kit, council, session_events
from tests.support.desk import until
from tests.support.generator import ScriptedGenerator

pytestmark = pytest.mark.integration

_BUDGET = "Quel est le budget de la voirie ?"
_ASK = "/v1/sessions/council/questions"


class _Model(ScriptedGenerator):
    """Repeats passage 2, and agrees to everything; or does what a test says."""

    def __init__(self) -> None:
        self.instead: str | Exception | None = None
        self.stalls = False
        super().__init__(self._say)
        self.stalled = 0

    def _say(self, prompt: Prompt) -> str | Exception:
        if self.instead is not None:
            return self.instead
        if "holds" in str(prompt.messages[0].content):
            return '{"readings": [{"n": 1, "holds": true}]}'
        shown = prompt.messages[-1].content.splitlines()
        at = next((i for i, line in enumerate(shown, 1) if "budget" in line), 1)
        text = shown[at - 1].partition(": ")[2].rstrip("»")
        return json.dumps({"answer": [{"cites": [at], "text": text or "Rien."}]})

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        return self._stalling() if self.stalls else super().generate(prompt, options)

    @asynccontextmanager
    async def _stalling(self) -> AsyncGenerator[AsyncIterator[TextPiece]]:
        self.stalled += 1
        try:
            await asyncio.Event().wait()
            yield self._pieces("")
        finally:
            self.stalled -= 1


@asynccontextmanager
async def _asking(kit: ArchiveKit, token: str = "") -> AsyncGenerator[httpx.AsyncClient, None]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(
        base_url=kit.http, headers=headers, trust_env=False, timeout=20
    ) as client:
        yield client


async def _post(client: httpx.AsyncClient, path: str, **body: Any) -> tuple[int, Any]:
    answer = await client.post(path, json=body)
    return answer.status_code, answer.json()


async def test_an_answer_cites_and_what_was_not_said_is_not_answered(tmp_path: Path) -> None:
    model = _Model()
    async with archive_kit(tmp_path, generator=model) as kit, _asking(kit) as client:
        await kit.keep("council", council())
        other = [Said(0, "Le vote du règlement est reporté.", "3"), Said(4_000, "Merci.", "3")]
        await kit.keep("other", session_events(other), title="Règlement")
        status, found = await _post(client, _ASK, question=_BUDGET)
        assert status == 200, found
        assert found["said"] is True
        assert found["language"] == "fr"
        cite = found["sentences"][0]["cites"][0]
        assert (cite["session"], cite["segment"], cite["start_ms"]) == ("council", 2, 8_000)
        assert all(options.priority == 2 for _, options in model.asked)
        status, found = await _post(client, "/v1/questions", question=_BUDGET)
        assert [s["cites"][0]["session"] for s in found["sentences"]] == ["council"]
        calls = len(model.asked)
        for path in (_ASK, "/v1/questions"):
            status, found = await _post(client, path, question="Combien coûte la piscine ?")
            assert (status, found["said"], found["sentences"]) == (200, False, [])
        assert len(model.asked) == calls, "nobody spoke of it: no need of the model"
        # The command line, over the same server.
        said = await asyncio.to_thread(
            CliRunner().invoke, build("fr"), ["ask", "council", _BUDGET, "--server", kit.http]
        )
        assert said.exit_code == 0, said.output
        assert "[0:08]" in said.output
        said = await asyncio.to_thread(
            CliRunner().invoke,
            build("fr"),
            ["ask", "--all", "Combien coûte la piscine ?", "--server", kit.http],
        )
        assert "Cela n'a pas été dit." in said.output
        assert "piscine" in said.output
        wrong = await asyncio.to_thread(CliRunner().invoke, build("fr"), ["ask", "council"])
        assert wrong.exit_code == 2
        # Junk, failure and refusals, each with a code.
        for instead, code in (
            ("Bien sûr ! Voici un poème.", (502, "answer_unreadable")),
            (EngineUnavailable("nothing answers"), (503, "engine_unavailable")),
            (PromptTooLong("too long"), (503, "prompt_too_long")),
        ):
            model.instead = instead
            status, found = await _post(client, _ASK, question=_BUDGET)
            assert (status, found["code"]) == code
        model.instead = None
        for body, code in (
            ({"question": ""}, 422),
            ({"question": " ?! "}, 400),
            ({"question": "x" * 401}, 422),
            ({"question": "budget", "language": "klingon"}, 400),
        ):
            assert (await client.post(_ASK, json=body)).status_code == code
        status, found = await _post(client, "/v1/sessions/none/questions", question=_BUDGET)
        assert (status, found["code"]) == (404, "session_not_found")
        # One at a time; who goes away stops the model.
        model.stalls = True
        first = asyncio.create_task(_post(client, _ASK, question=_BUDGET))
        await until(lambda: model.stalled == 1)
        status, found = await _post(client, "/v1/questions", question=_BUDGET)
        assert (status, found["code"], found["retryable"]) == (429, "question_running", True)
        first.cancel()
        await until(lambda: model.stalled == 0)
        model.stalls = False
        status, found = await _post(client, _ASK, question=_BUDGET)
        assert (status, found["said"]) == (200, True)


async def test_tenants_do_not_hear_each_other_and_a_model_that_is_off_says_so(
    tmp_path: Path,
) -> None:
    tokens = {"mairie": "m" * 20, "marine": "n" * 20}
    settings = Settings(
        tokens=tuple(
            TenantToken(tenant=tenant, digest=hash_token(token)) for tenant, token in tokens.items()
        )
    )
    model = _Model()
    async with archive_kit(tmp_path, settings=settings, generator=model) as kit:
        await kit.keep("council", council(), tenant="mairie")
        async with _asking(kit, tokens["marine"]) as client:
            assert (await _post(client, _ASK, question=_BUDGET))[0] == 404
            status, found = await _post(client, "/v1/questions", question=_BUDGET)
            assert (status, found["said"]) == (200, False)
        assert model.asked == []
        async with _asking(kit) as client:
            assert (await _post(client, _ASK, question=_BUDGET))[0] == 401
        places = OneAtATime()
        off = Answering(None, Shelf(kit.store), kit.archive.search, places=places)
        with pytest.raises(Exception, match="no language model") as refused:
            await off.ask("mairie", _BUDGET)
        assert getattr(refused.value, "code", "") == "language_model_off"
        # A model that stalls costs the question its patience, and no place afterwards.
        model.stalls = True
        patient = Answering(
            model, Shelf(kit.store), kit.archive.search, places=places, patience_s=0.05
        )
        with pytest.raises(EngineError) as late:
            await patient.ask("mairie", _BUDGET)
        assert late.value.code == "engine_timeout"
        async with places.place("mairie"), places.place("marine"):
            with pytest.raises(QuestionRunning):
                await patient.ask("mairie", _BUDGET)
