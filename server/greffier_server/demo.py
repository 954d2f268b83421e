"""``make demo``: models, a server, a recording played live in this terminal, and what it leaves.

Everything runs on this machine: the server listens on loopback only, as long as the recording
lasts, and keeps its sessions in the output folder.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from greffier_models.catalog import default_models, default_models_dir, has_gpu
from greffier_server.child import ChildServer, ServerNotReady, port_is_free

__all__ = ["main"]

SCENE = Path("tests/data/scenes/meeting-bilingual.flac")
OFFLINE_GUIDE = "docs/how-to/air-gapped.md"

WHAT_IT_IS = {
    ".srt": "captions for video players",
    ".vtt": "captions for web pages",
    "transcript.md": "transcript, with the translation",
    "minutes.md": "minutes, to read",
    "minutes.json": "minutes, for programs",
}


class DemoFailed(click.ClickException):
    """The demonstration cannot go on; the message says what to do."""


@click.command()
@click.argument("audio", type=click.Path(path_type=Path), required=False)
@click.option("--language", default="auto", show_default=True, help="Of the speech, ISO 639-1.")
@click.option("--translate", default="en", show_default=True, help="Comma-separated, or none.")
@click.option("--fast", is_flag=True, help="As fast as the machine can, instead of real time.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), help="Of the server; any free one if absent."
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Where captions, transcript and minutes go.",
)
@click.option("--no-llm", is_flag=True, help="Captions only: a smaller download.")
def main(
    *,
    audio: Path | None,
    language: str,
    translate: str,
    fast: bool,
    port: int | None,
    output: Path,
    no_llm: bool,
) -> None:
    """Caption AUDIO live, translate it, and write its minutes."""
    signal.signal(signal.SIGTERM, _end)
    recording = _recording(audio)
    if port is not None and not port_is_free(port):
        raise DemoFailed(
            f"port {port} is taken: give another one (make demo PORT=…), or none to take any"
        )
    folder = output / recording.stem
    folder.mkdir(parents=True, exist_ok=True)
    speech, text = default_models(gpu=has_gpu())
    _pull([speech] if no_llm else [speech, text])
    server = ChildServer(
        data_dir=output / "server",
        models_dir=default_models_dir(),
        port=port or 0,
        settings={
            "GREFFIER_RECOGNITION__MODEL": speech,
            "GREFFIER_LANGUAGE_MODEL__ENGINE": "none" if no_llm else "llama",
            "GREFFIER_LANGUAGE_MODEL__MODEL": text,
        },
    )
    began_s = time.time()
    try:
        click.echo(f"Starting a server on {server.url} …", err=True)
        with server:
            status = _stream(
                recording,
                server.url,
                folder=folder,
                language=language,
                translate=[] if no_llm else _languages(translate),
                fast=fast,
            )
    except ServerNotReady as error:
        raise DemoFailed(f"{error}\n\nIs this machine fit for it? greffier doctor") from error
    if status:
        sys.exit(status)
    _tell(folder, since_s=began_s)


def _recording(audio: Path | None) -> Path:
    if audio is None:
        if not SCENE.is_file():
            raise DemoFailed("give a recording: make demo AUDIO=meeting.wav")
        return SCENE
    try:
        with audio.open("rb") as file:
            if not file.read(1):
                raise DemoFailed(f"{audio} is empty")
    except FileNotFoundError:
        raise DemoFailed(f"there is no file {audio}") from None
    except IsADirectoryError:
        raise DemoFailed(f"{audio} is a folder: name one recording") from None
    except OSError as error:
        raise DemoFailed(f"{audio} cannot be read: {error.strerror}") from None
    return audio


def _pull(names: Sequence[str]) -> None:
    if _run("models", "pull", *names):
        raise DemoFailed(
            "the models are not all here, see above. Run it again to go on with the download; "
            f"on a machine without network, bring them with a bundle: {OFFLINE_GUIDE}"
        )


def _stream(
    recording: Path,
    url: str,
    *,
    folder: Path,
    language: str,
    translate: Sequence[str],
    fast: bool,
) -> int:
    translations = [part for code in translate for part in ("--translate", code)]
    return _run(
        "stream",
        str(recording),
        *("--server", url),
        *("--language", language),
        *("--save", str(folder)),
        *translations,
        *(["--fast"] if fast else []),
    )


def _run(*arguments: str) -> int:
    """Run ``greffier`` in this terminal; Ctrl+C reaches it, and it decides what that means."""
    child = subprocess.Popen([sys.executable, "-m", "greffier", *arguments])  # noqa: S603 - ours
    try:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def _tell(folder: Path, *, since_s: float) -> None:
    made = sorted(p for p in folder.iterdir() if p.is_file() and p.stat().st_mtime >= since_s - 1)
    if not made:
        return
    click.echo("\nWritten:")
    width = max(len(str(path)) for path in made)
    for path in made:
        click.echo(f"  {path!s:<{width}}  {_what(path)}".rstrip())


def _what(path: Path) -> str:
    return WHAT_IT_IS.get(path.name) or WHAT_IT_IS.get(path.suffix, "")


def _languages(translate: str) -> list[str]:
    return [code for part in translate.split(",") if (code := part.strip()) not in {"", "none"}]


def _end(signum: int, frame: FrameType | None) -> NoReturn:
    """Leave by the way that stops the children."""
    sys.exit(128 + signum)


if __name__ == "__main__":
    main()
