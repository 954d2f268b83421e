"""What users see when a model is missing, silent or gone, and when the server may not listen."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import greffier
from greffier_server.child import ChildServer, free_port
from tests.support.served_process import Clip, Conversation, ask, clip, error_rate, run, speak
from tests.support.weights import whisper_base_path

pytestmark = [pytest.mark.e2e, pytest.mark.language_model, pytest.mark.slow]

WORST_ERROR_RATE = 0.35
SILENCE_S = 2
TOKEN = "a-token-of-the-test"


@pytest.fixture(scope="module")
def radio() -> Clip:
    return clip("meeting-fr", turns=4)


@contextmanager
def serving(folder: Path, **settings: str) -> Generator[ChildServer]:
    with ChildServer(
        data_dir=folder,
        settings={"GREFFIER_RECOGNITION__MODEL": str(whisper_base_path()), **settings},
    ) as server:
        yield server


@contextmanager
def silent_server() -> Generator[int]:
    """Takes connections and what is sent, and never answers."""
    held: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                held.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


def openai(port: int) -> dict[str, str]:
    return {
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "openai",
        "GREFFIER_LANGUAGE_MODEL__MODEL": "mistral",
        "GREFFIER_LANGUAGE_MODEL__URL": f"http://127.0.0.1:{port}/v1",
        "GREFFIER_LANGUAGE_MODEL__SILENCE_TIMEOUT_S": str(SILENCE_S),
    }


def timed(server: ChildServer, radio: Clip) -> tuple[Conversation, float]:
    """Speak; return the conversation and the seconds from the last caption to the end."""
    last = time.monotonic()

    def seen(talk: Conversation) -> None:
        nonlocal last
        if isinstance(talk.messages[-1], greffier.Caption):
            last = time.monotonic()

    talk = asyncio.run(
        speak(server, radio.pcm, seen=seen, language="fr", translate_to=["en"], minutes=True)
    )
    return talk, time.monotonic() - last


def check_captions_alone(talk: Conversation, radio: Clip) -> None:
    assert error_rate(radio.text, talk.text, language="fr") < WORST_ERROR_RATE
    assert talk.of(greffier.Minutes) == []
    assert all(not translation.committed for translation in talk.of(greffier.Translation))
    assert isinstance(talk.messages[-1], greffier.Finished)


def test_a_language_model_that_is_not_there(radio: Clip, tmp_path: Path) -> None:
    with serving(tmp_path, **openai(free_port())) as server:
        talk, end_s = timed(server, radio)
        check_captions_alone(talk, radio)
        errors = talk.of(greffier.Error)
        assert {(error.code, error.retryable) for error in errors} == {("engine_unavailable", True)}
        assert len(errors) == 2, "one for the translation, one for the minutes"
        assert end_s < 60
        missing = ask(server, f"/v1/sessions/{talk.id}/minutes")
        assert (missing.status, missing.json["code"]) == (404, "no_minutes")


def test_a_language_model_that_accepts_and_never_answers(radio: Clip, tmp_path: Path) -> None:
    with silent_server() as port, serving(tmp_path, **openai(port)) as server:
        talk, end_s = timed(server, radio)
        check_captions_alone(talk, radio)
        errors = talk.of(greffier.Error)
        assert {(error.code, error.retryable) for error in errors} == {("engine_timeout", True)}
        assert len(errors) == 2
        assert end_s < 15 * SILENCE_S


def test_without_a_language_model_translation_is_refused_and_captions_are_not(
    radio: Clip, tmp_path: Path
) -> None:
    with serving(tmp_path, GREFFIER_LANGUAGE_MODEL__ENGINE="none") as server:
        talk, _ = timed(server, radio)
        check_captions_alone(talk, radio)
        (error,) = talk.of(greffier.Error)
        assert (error.code, error.retryable) == ("no_language_model", False)


def test_missing_weights_end_the_server_with_the_command_that_helps(tmp_path: Path) -> None:
    done = run("serve", "--port", "0", "--data-dir", tmp_path / "data", "--models-dir", tmp_path)
    assert done.returncode == 4
    assert "greffier models pull" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_missing_speech_weights_too(tmp_path: Path) -> None:
    done = run(
        *("serve", "--no-llm", "--port", "0"),
        *("--data-dir", tmp_path / "data", "--models-dir", tmp_path),
    )
    assert done.returncode == 4
    assert "greffier models pull" in done.stderr


def test_a_taken_port_is_said_before_models_are_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", port, "--data-dir", tmp_path, "--models-dir", tmp_path)
    assert done.returncode == 3
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port 0" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - it must be refused
def test_other_machines_are_not_let_in_without_tokens(host: str, tmp_path: Path) -> None:
    done = run("serve", "--host", host, "--port", "0", "--data-dir", tmp_path)
    assert done.returncode == 2
    assert "GREFFIER_TOKENS" in done.stderr


def test_tokens_are_asked_for(tmp_path: Path) -> None:
    settings = {"GREFFIER_LANGUAGE_MODEL__ENGINE": "none", "GREFFIER_TOKENS": f"acme:{TOKEN}"}
    with serving(tmp_path, **settings) as server:
        for token, status, code in (
            (None, 401, "authentication_required"),
            ("not-the-token-of-the-test", 403, "authentication_failed"),
        ):
            answer = ask(server, "/v1/sessions", token=token)
            assert (answer.status, answer.json["code"]) == (status, code)
            assert ask(server, "/metrics", token=token).status == status
            with pytest.raises(greffier.AuthenticationFailed) as refused:
                asyncio.run(speak(server, b"", token=token))
            assert refused.value.code == code
            listed = run("sessions", "--server", server.url, GREFFIER_TOKEN=token or "")
            assert listed.returncode == 3
            assert "token" in listed.stderr
        opening = clip("meeting-fr", turns=1)
        talk = asyncio.run(speak(server, opening.pcm, token=TOKEN, language="fr", minutes=False))
        assert talk.text
        shown = run(*("sessions", "--server", server.url, "--format", "json"), GREFFIER_TOKEN=TOKEN)
        assert [row["session"] for row in json.loads(shown.stdout)] == [talk.id]
        assert TOKEN not in server.log.read_text(encoding="utf-8")
