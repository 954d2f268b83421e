import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from blockbuster import blockbuster_ctx

from greffier_models.errors import (
    EngineError,
    EngineTimeout,
    EngineUnavailable,
    PromptTooLong,
    WeightsCorrupt,
    WeightsMissing,
)
from greffier_models.llm import load_llama
from greffier_models.llm.llama import LlamaGenerator
from greffier_models.protocols import TextGenerator
from greffier_models.types import ChatMessage, EngineIdentity, GenerationOptions, Prompt, TextPiece
from greffier_server.pipeline.generation import complete
from tests.support.toys import toy_mistral_gguf

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

LONG = GenerationOptions(max_tokens=3500, priority=2)


def ask(text: str) -> Prompt:
    return Prompt((ChatMessage("user", text),))


async def answer(
    generator: TextGenerator, text: str, options: GenerationOptions
) -> tuple[str, TextPiece]:
    async with generator.generate(ask(text), options) as stream:
        pieces = [piece async for piece in stream]
    return "".join(piece.text for piece in pieces), pieces[-1]


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_mistral_gguf(tmp_path_factory.mktemp("toy"), vocabulary_size=8192).gguf


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def generator(gguf: Path) -> AsyncIterator[LlamaGenerator]:
    generator = LlamaGenerator(gguf, context_tokens=4096, show_slots=True)
    await generator.start()
    yield generator
    await generator.close()


async def test_nothing_is_read_before_it_is_needed(tmp_path: Path):
    generator = load_llama(tmp_path / "later.gguf", context_tokens=2048, parallel=3)
    assert generator.pid is None
    capabilities = generator.capabilities
    assert (capabilities.context_tokens, capabilities.parallel) == (2048, 3)
    assert str(capabilities.identity) == "llama-cpp:later@:"
    named = EngineIdentity("llama-cpp/1", "catalogued", "ab" * 32)
    assert load_llama(tmp_path / "x", identity=named).capabilities.identity is named
    await generator.close()


async def test_the_engine_is_named_once_it_runs(generator: LlamaGenerator):
    identity = generator.capabilities.identity
    assert identity.engine == f"llama-cpp/{version('xllamacpp')}"
    assert (identity.model, identity.settings) == ("toy-mistral", "ctx4096")


async def test_every_thread_has_the_lowest_priority(generator: LlamaGenerator):
    await answer(generator, "threads", GenerationOptions(max_tokens=2))
    found = scheduling(generator.pid)
    assert len(found) > 2
    assert set(found) == {(19, os.SCHED_IDLE)}


def scheduling(pid: int | None) -> list[tuple[int, int]]:
    """Niceness and policy of each thread: proc_pid_stat(5), fields 19 and 41."""
    stats = [task.joinpath("stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    fields = [stat.rpartition(")")[2].split() for stat in stats]
    return [(int(numbers[16]), int(numbers[38])) for numbers in fields]


async def test_it_shares_our_session_so_that_niceness_counts(generator: LlamaGenerator):
    assert generator.pid is not None
    assert os.getsid(generator.pid) == os.getsid(0), "another session is another autogroup"
    assert os.getpgid(generator.pid) != os.getpgid(0), "the terminal's Ctrl-C is not for it"


async def test_nobody_else_can_ask(generator: LlamaGenerator):
    assert psutil.Process(generator.pid).net_connections(kind="inet") == []
    (listening,) = sockets_of(generator.pid)
    assert listening.parent.stat().st_mode & 0o077 == 0


def sockets_of(pid: int | None) -> set[Path]:
    connections = psutil.Process(pid).net_connections(kind="unix")
    return {Path(str(connection.laddr)) for connection in connections if connection.laddr}


async def test_the_event_loop_is_never_blocked(gguf: Path):
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    with blockbuster_ctx():
        beating = asyncio.create_task(beat())
        generator = load_llama(gguf)
        await generator.start()
        while_loading = beats
        await answer(generator, "hello", GenerationOptions(max_tokens=50))
        await generator.close()
        beating.cancel()
    assert while_loading > 10


async def test_the_same_prompt_gives_the_same_text_at_temperature_0(gguf: Path):
    generator = LlamaGenerator(gguf, parallel=1, reuse_prompts=False)
    options = GenerationOptions(max_tokens=60)
    texts = {(await answer(generator, "same", options))[0] for _ in range(3)}
    assert len(texts) == 1
    warm = [GenerationOptions(max_tokens=60, temperature=1, seed=seed) for seed in (1, 1, 2)]
    first, again, other = [(await answer(generator, "same", options))[0] for options in warm]
    assert first == again != other
    await generator.close()


async def test_a_common_beginning_is_read_once(generator: LlamaGenerator):
    beginning = "The glossary of the harbour: " + "quay, buoy, pilot, tug; " * 40
    options = GenerationOptions(max_tokens=1)
    await answer(generator, beginning + "one", options)
    await answer(generator, "something else in between", options)
    prompt = ask(beginning + "two")
    async with generator.generate(prompt, GenerationOptions(max_tokens=2000)) as stream:
        await anext(stream)
        (slot,) = [slot for slot in await generator.slot_states() if slot["is_processing"]]
    read_again = slot["n_prompt_tokens_processed"]
    assert read_again < 0.2 * len(await generator.prompt_tokens(prompt))
    assert slot["n_prompt_tokens_cache"] > 0
    await until_idle(generator)


async def test_stop_strings_end_the_answer_before_them(generator: LlamaGenerator):
    text, _ = await answer(generator, "stop", GenerationOptions(max_tokens=30))
    mark = text[10:14]
    options = GenerationOptions(max_tokens=30, stop=(mark,))
    short, last = await answer(generator, "stop", options)
    assert mark not in short
    assert last.finish == "stop"


async def test_leaving_the_context_stops_llama_cpp(generator: LlamaGenerator):
    async with generator.generate(ask("cancel"), LONG) as stream:
        for _ in range(3):
            await anext(stream)
        assert any(slot["is_processing"] for slot in await generator.slot_states())
    assert generator.running == 0
    assert await until_idle(generator) < LONG.max_tokens / 3


async def test_cancelling_the_task_stops_it_too(generator: LlamaGenerator):
    started = asyncio.Event()

    async def run() -> None:
        async with generator.generate(ask("cancel"), LONG) as stream:
            async for _ in stream:
                started.set()

    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert generator.running == 0
    assert await until_idle(generator) < LONG.max_tokens / 3


async def test_a_long_prompt_can_be_left_while_it_is_read(generator: LlamaGenerator):
    task = asyncio.create_task(answer(generator, "word " * 3000, GenerationOptions(max_tokens=1)))
    await until(lambda: generator.running > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_idle(generator)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to pass")


async def until_idle(generator: LlamaGenerator) -> int:
    """Return the tokens that the busiest slot was last seen to have generated."""
    generated = 0
    for _ in range(500):
        states = await generator.slot_states()
        if not any(slot["is_processing"] for slot in states):
            return generated
        counts = [token["n_decoded"] for slot in states for token in slot.get("next_token", [])]
        generated = max([generated, *counts])
        await asyncio.sleep(0.005)
    raise AssertionError("llama.cpp goes on generating")


async def test_live_translation_overtakes_minutes(generator: LlamaGenerator):
    done: list[str] = []

    async def run(name: str, options: GenerationOptions) -> None:
        await answer(generator, name, options)
        done.append(name)

    minutes = asyncio.create_task(run("minutes", LONG))
    await until(lambda: generator.running > 0)
    notes = asyncio.create_task(run("notes", GenerationOptions(max_tokens=5, priority=1)))
    await run("translation", GenerationOptions(max_tokens=20, priority=0))
    assert done == ["translation"]
    await asyncio.gather(minutes, notes)
    assert done == ["translation", "minutes", "notes"]


async def test_a_full_context_beside_a_live_translation(generator: LlamaGenerator):
    filler = "mot " * 1900
    size = len(await generator.prompt_tokens(ask(filler)))
    full = GenerationOptions(max_tokens=4096 - size, priority=2)
    urgent = GenerationOptions(max_tokens=300, priority=0)
    (_, last), (_, live) = await asyncio.gather(
        answer(generator, filler, full), answer(generator, "live", urgent)
    )
    assert (last.prompt_tokens, last.generated_tokens) == (size, full.max_tokens)
    assert live.generated_tokens == 300


async def test_more_than_the_context_is_refused(generator: LlamaGenerator):
    with pytest.raises(PromptTooLong):
        await answer(generator, "short", GenerationOptions(max_tokens=4096))
    assert generator.running == 0


async def test_a_deadline_ends_what_runs_and_what_waits(generator: LlamaGenerator):
    async with generator.generate(ask("busy"), LONG) as stream:
        await anext(stream)
        with pytest.raises(EngineTimeout):
            await answer(generator, "queued", GenerationOptions(priority=1, timeout_s=0.2))
    options = GenerationOptions(max_tokens=3500, timeout_s=0.2)
    with pytest.raises(EngineTimeout):
        await answer(generator, "too slow", options)
    assert generator.running == 0
    await until_idle(generator)


@pytest.mark.parametrize(
    "schema", [{"type": "no such type"}, {"$ref": "#/nowhere"}, {"not": {"type": "string"}}]
)
async def test_a_schema_that_cannot_be_enforced_is_an_error(
    generator: LlamaGenerator, schema: dict[str, Any]
):
    with pytest.raises(EngineError, match="schema"):
        await answer(generator, "json", GenerationOptions(max_tokens=50, schema=schema))
    assert generator.running == 0


async def test_a_killed_process_is_an_error_and_then_replaced(gguf: Path):
    generator = load_llama(gguf)
    async with generator.generate(ask("doomed"), LONG) as stream:
        await anext(stream)
        first = generator.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with pytest.raises(EngineUnavailable) as caught:
            async for _ in stream:
                pass
    assert caught.value.retryable
    await until(lambda: generator.pid is None)
    _, last = await answer(generator, "again", GenerationOptions(max_tokens=3))
    assert last.generated_tokens == 3
    assert generator.pid not in (None, first)
    await generator.close()


async def test_a_stopped_process_is_ended_and_its_work_asked_again(gguf: Path):
    """Without the watch, this and every later request would wait for its whole time limit."""
    generator = LlamaGenerator(gguf, pulse_s=0.3)
    await generator.start()
    first = generator.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    options = GenerationOptions(max_tokens=20, timeout_s=120.0)
    async with asyncio.timeout(60):
        text = await complete(
            generator, ask("stopped"), options, sleep=asyncio.sleep, delays_s=(0.1, 0.1, 0.1)
        )
    assert text
    assert generator.pid not in (None, first)
    assert not psutil.pid_exists(first)
    await generator.close()


async def test_close_ends_everything_and_leaves_nothing(
    gguf: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    threads_before = _own_threads()
    generator = load_llama(gguf, parallel=1)
    async with generator.generate(ask("sensitive words"), LONG) as stream:
        await anext(stream)
        pid = generator.pid
        waiting = asyncio.create_task(answer(generator, "sensitive too", LONG))
        await asyncio.sleep(0.1)
        sockets = sockets_of(pid)
        await generator.close()
        with pytest.raises(EngineUnavailable):
            async for _ in stream:
                pass
        with pytest.raises(EngineUnavailable):
            await waiting
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert sockets
    assert not exists_any(path.parent for path in sockets)
    assert _own_threads() == threads_before
    for call in (generator.start(), generator.count_tokens("x"), answer(generator, "x", LONG)):
        with pytest.raises(EngineUnavailable):
            await call
    await generator.close()
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")
    assert "sensitive" not in caplog.text


def exists_any(paths: Iterable[Path]) -> bool:
    return any(path.exists() for path in paths)


def _own_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("llm")}


async def test_close_while_it_loads(gguf: Path):
    generator = load_llama(gguf)
    starting = asyncio.create_task(generator.start())
    await until(lambda: generator.pid is not None)
    await generator.close()
    with pytest.raises(EngineUnavailable):
        await starting
    assert generator.pid is None


async def test_files_that_are_no_model(tmp_path: Path):
    with pytest.raises(WeightsMissing):
        await load_llama(tmp_path / "absent.gguf").start()
    text = tmp_path / "text.gguf"
    text.write_text("not a model")
    generator = load_llama(text)
    for _ in range(2):
        with pytest.raises(WeightsCorrupt):
            await answer(generator, "x", GenerationOptions())
    await generator.close()


async def test_the_process_dies_with_its_parent(gguf: Path):
    script = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from greffier_models.llm import load_llama\n"
        "async def main():\n"
        "    generator = load_llama(Path(sys.argv[1]))\n"
        "    await generator.start()\n"
        "    print(generator.pid, generator._process.address, flush=True)\n"
        "    os._exit(9)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, str(gguf)]
    result = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    assert result.returncode == 9
    pid, address = result.stdout.split()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(pid)).wait(timeout=30)
    assert not exists_any([Path(address.removeprefix("unix://")).parent])
