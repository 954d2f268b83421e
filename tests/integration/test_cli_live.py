import asyncio
import json
import os
import signal
import sys
import wave
from pathlib import Path

import pytest

from greffier.protocol import (
    Ack,
    Caption,
    Error,
    Finished,
    Minutes,
    MinutesItem,
    Start,
    Started,
    Translation,
)
from tests.support.peer import Peer, PeerConnection
from tests.support.screen import Screen

pytestmark = pytest.mark.integration

PCM = bytes(range(256)) * 50
TEXT = "[0:00] Radio check.\n[0:00] fr: Essai radio.\n"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "check.wav"
    with wave.open(str(path), "wb") as file:
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.setnchannels(1)
        file.writeframes(PCM)
    return path


async def speak(peer: PeerConnection) -> None:
    """A session of one segment, its translation and minutes."""
    start = await peer.begin()
    assert (start.language, start.translate_to, start.minutes) == ("en", ("fr",), True)
    assert start.title == "check"
    assert await peer.audio_to_finish() == PCM
    await answer(peer)


async def answer(peer: PeerConnection) -> None:
    item = MinutesItem("A radio check.", (1,), verified=True)
    await peer.send(
        Ack(len(PCM) // 2),
        Caption(1, 1, 100, 300, " Radio", " check", language="en"),
        Caption(2, 1, 100, 300, " check.", "", language="en", closed=True),
        Translation(3, 1, "fr", " Essai radio.", closed=True),
        Minutes(4, "en", "Check", summary=(item,)),
        Finished(5, "finish"),
    )


async def greffier(
    *arguments: str, stdin: bytes | None = None, server: str | None = None
) -> tuple[int | None, str, str]:
    process = await start_greffier(*arguments, server=server)
    out, err = await asyncio.wait_for(process.communicate(stdin), 30)
    return process.returncode, out.decode(), err.decode()


async def start_greffier(*arguments: str, server: str | None = None) -> asyncio.subprocess.Process:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    environment.pop("GREFFIER_SERVER", None)
    if server is not None:
        environment["GREFFIER_SERVER"] = server
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "greffier",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )


async def test_stream_in_a_pipe_and_saved(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    async with Peer(speak) as peer:
        code, out, err = await greffier(
            *("stream", str(recording), "--fast", "-l", "en", "-t", "fr", "--save", str(folder)),
            server=peer.url,
        )
    assert (code, out) == (
        0,
        f"{TEXT}\nCheck\n" + "─" * 60 + "\n\nSummary\n  • A radio check. [0:00]\n",
    )
    assert f"Saved to {folder}:" in err
    assert sorted(path.name for path in folder.iterdir()) == [
        "captions.fr.srt",
        "captions.fr.vtt",
        "captions.srt",
        "captions.vtt",
        "minutes.json",
        "minutes.md",
        "transcript.md",
    ]
    assert "> *fr* Essai radio." in (folder / "transcript.md").read_text("utf-8")
    assert "- A radio check. [0:00]" in (folder / "minutes.md").read_text("utf-8")
    assert json.loads((folder / "minutes.json").read_text("utf-8"))["title"] == "Check"


async def test_stream_from_standard_input() -> None:
    async def script(peer: PeerConnection) -> None:
        start = await peer.expect(Start)
        assert (start.format.rate, start.minutes) == (8_000, False)
        await peer.send(Started("s1", "t1", 0))
        assert await peer.audio_to_finish() == PCM
        await answer(peer)

    async with Peer(script) as peer:
        arguments = ("stream", "-", "--rate", "8000", "--no-minutes", "--server", peer.url)
        code, out, _ = await greffier(*arguments, stdin=PCM)
    assert code == 0
    assert out.startswith(TEXT)


async def test_transcribe_through_a_server(recording: Path) -> None:
    async with Peer(speak) as peer:
        code, out, err = await greffier(
            *("transcribe", str(recording), "--server", peer.url, "-f", "json"),
            *("-l", "en", "-t", "fr", "--minutes"),
        )
    assert code == 0, err
    made = json.loads(out)
    assert (made["text"], made["duration"], made["language"]) == ("Radio check.", 0.4, "en")
    assert made["translations"] == {
        "fr": [{"id": 1, "start": 0.1, "end": 0.3, "text": "Essai radio."}]
    }
    assert made["minutes"]["summary"][0]["cites"] == [1]


async def test_watch_shows_a_stored_session() -> None:
    async def script(peer: PeerConnection) -> None:
        assert (await peer.watched()).languages == ("fr",)
        await answer(peer)

    async with Peer(script) as peer:
        code, out, _ = await greffier("watch", "s1", "--translate", "fr", server=peer.url)
    assert code == 0
    assert out.startswith(TEXT)


async def test_the_first_interruption_finishes_and_the_second_leaves(tmp_path: Path) -> None:
    heard, finished = asyncio.Event(), asyncio.Event()

    async def patient(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Caption(1, 1, 100, 300, " Radio check.", "", language="en"))
        await peer.audio(len(PCM))
        heard.set()
        assert await peer.audio_to_finish() == b""
        finished.set()
        await peer.until_gone()

    folder = tmp_path / "notes"
    async with Peer(patient) as peer:
        process = await start_greffier("stream", "-", "--save", str(folder), server=peer.url)
        assert process.stdin is not None
        process.stdin.write(PCM)
        await process.stdin.drain()
        await asyncio.wait_for(heard.wait(), 20)
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(finished.wait(), 20)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 130, err
    assert out == b"[0:00] Radio check.\n"
    assert b"Interrupted." in err
    assert b"Traceback" not in err
    assert (folder / "captions.srt").exists()


async def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.watched()
        for number in range(1, 5_000):
            text = " many words" * 20
            await peer.send(Caption(number, number, 0, 1, text, "", closed=True))
        await peer.until_gone()

    async with Peer(script) as peer:
        process = await start_greffier("watch", "s1", server=peer.url)
        assert process.stdout is not None
        assert process.stderr is not None
        await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined]  # pyright: ignore
        err = await asyncio.wait_for(process.stderr.read(), 30)
        code = await asyncio.wait_for(process.wait(), 30)
    assert b"Traceback" not in err
    assert code == 1


async def test_refusals_are_exit_code_3() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.watched()
        await peer.send(Error("session_not_found", "there is no such session"))
        await peer.close(4404)

    async with Peer(script) as peer:
        url = peer.url
        code, _, err = await greffier("--lang", "fr", "watch", "nope", server=url)
        assert (code, "Traceback" in err, "session introuvable" in err) == (3, False, True)
    code, out, err = await greffier("watch", "s1", server=url)
    assert (code, out) == (3, "")
    assert "is the server running?" in err


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
async def test_on_a_terminal_the_screen_ends_clean(recording: Path) -> None:
    import pty

    async with Peer(speak) as peer:
        leader, follower = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "greffier", "stream", str(recording)),
            *("--fast", "-l", "en", "-t", "fr", "--server", peer.url),
            stdout=follower,
            stderr=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "TERM": "xterm",
                "COLUMNS": "60",
                "LINES": "20",
                "LC_ALL": "C.UTF-8",
            },
        )
        os.close(follower)
        reading = asyncio.create_task(asyncio.to_thread(_read_all, leader))
        _, err = await asyncio.wait_for(process.communicate(), 30)
        shown = await reading
    assert process.returncode == 0, err
    assert "\x1b[" in shown
    screen = Screen()
    screen.write(shown.replace("\r\n", "\n"))
    assert screen.text.splitlines()[:3] == ["   0:00  Radio check.", "     fr  Essai radio.", ""]
    assert screen.text.splitlines()[-1] == "  • A radio check. [0:00]"
    assert screen.modes == {"25": True, "7": True, "2026": False}


def _read_all(leader: int) -> str:
    read = b""
    while True:
        try:
            piece = os.read(leader, 65_536)
        except OSError:  # Linux: the other side is closed
            break
        if not piece:
            break
        read += piece
    os.close(leader)
    return read.decode()


@pytest.mark.parametrize("command", [("stream", "--fast"), ("transcribe",)])
async def test_separate_channels_are_asked_for_with_their_names(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = tmp_path / "check.wav"
    with wave.open(str(path), "wb") as file:
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.setnchannels(2)
        file.writeframes(PCM)

    async def script(peer: PeerConnection) -> None:
        start = await peer.begin()
        assert (start.format.channels, start.channels) == (2, "separate")
        assert start.speakers == ("Claire", "Nour")
        assert await peer.audio_to_finish() == PCM
        await peer.send(
            Ack(len(PCM) // 4),
            Caption(1, 2, 200, 400, " Oui.", "", language="fr", speaker="Nour", closed=True),
            Caption(2, 1, 100, 300, " Bonjour.", "", language="fr", speaker="Claire", closed=True),
            Finished(3, "finish"),
        )

    async with Peer(script) as peer:
        code, out, err = await greffier(
            *(*command, str(path), "--channels", "separate", "--server", peer.url),
            *("--speaker", "Claire", "--speaker", "Nour"),
        )
    assert code == 0, err
    assert "Nour: Oui." in out
    assert "Claire: Bonjour." in out


async def test_raw_input_has_a_channel_for_each_speaker() -> None:
    async def script(peer: PeerConnection) -> None:
        start = await peer.begin()
        assert (start.format.channels, start.speakers) == (2, ("A", "B"))
        assert await peer.audio_to_finish() == PCM
        await peer.send(Ack(len(PCM) // 4), Finished(1, "finish"))

    async with Peer(script) as peer:
        code, _, err = await greffier(
            *("stream", "-", "--speaker", "A", "--speaker", "B", "--channels", "separate"),
            stdin=PCM,
            server=peer.url,
        )
    assert code == 0, err


async def test_names_without_channels_are_wrong_usage(recording: Path) -> None:
    code, _, err = await greffier("stream", str(recording), "--speaker", "A")
    assert code == 2
    assert "--channels separate" in err
