"""``greffier transcribe``: recordings to subtitles, text or JSON."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from greffier.commands.attach import attach_option, attach_to
from greffier.commands.options import (
    channels_options,
    language_option,
    minutes_option,
    profile_of,
    profile_option,
    server_option,
    token_option,
    translate_option,
    write_text,
)
from greffier.errors import ExtraMissing, FileUnreadable
from greffier.messages import Messages
from greffier.protocol import AudioProfile, ChannelUse
from greffier.recordings import LocalTranscriber, local_transcriber, transcribe_on_server
from greffier.saving import minutes_document
from greffier.subtitles import cues, to_srt, to_text, to_vtt
from greffier.transcript import TranscribedObject

__all__ = ["build"]

_STEPS = 1000


@dataclass(frozen=True, slots=True)
class _Request:
    server: str | None
    token: str | None
    language: str
    translate_to: tuple[str, ...]
    minutes: bool
    form: str
    channels: ChannelUse
    speakers: tuple[str, ...]
    profile: AudioProfile | None
    attach: tuple[Path, ...] = ()


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("transcribe", help=say("help.transcribe"))
    @click.argument(
        "files",
        metavar="FILE...",
        nargs=-1,
        required=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
    )
    @server_option(say, required=False)
    @token_option(say)
    @language_option(say)
    @channels_options(say)
    @profile_option(say)
    @click.option(
        "--format",
        "-f",
        "form",
        type=click.Choice(["srt", "vtt", "txt", "json"]),
        default="txt",
        show_default=True,
        help=say("help.format"),
    )
    @translate_option(say)
    @minutes_option(say, default=False)
    @attach_option(say)
    @click.option(
        "--output", "-o", metavar="PATH", type=click.Path(path_type=Path), help=say("help.output")
    )
    def transcribe(
        files: tuple[Path, ...],
        server: str | None,
        token: str | None,
        language: str,
        channels: ChannelUse,
        speakers: tuple[str, ...],
        profile: str | None,
        form: str,
        translate: tuple[str, ...],
        minutes: bool,
        attach: tuple[Path, ...],
        output: Path | None,
    ) -> None:
        several = len(files) > 1 or bool(translate) or minutes
        if output is None and several and form in ("srt", "vtt"):
            raise click.UsageError(say("error.one-stream"))
        targets = _targets(files, output, form, say)
        request = _Request(
            server,
            token,
            language,
            translate,
            minutes,
            form,
            channels,
            speakers,
            profile_of(profile),
            attach,
        )
        local = None
        if server is None:
            try:
                local = local_transcriber()
            except ExtraMissing:
                raise click.ClickException(say("error.local")) from None
        failed = False
        for path, target in zip(files, targets, strict=True):
            try:
                recording = _run(path, request, local, say)
            except FileUnreadable as error:  # the other files may be sound
                click.echo(f"{say('error')}: {error.message}", err=True)
                failed = True
                continue
            heading = f"# {path.name}\n\n" if len(files) > 1 and form == "txt" else ""
            _write(recording, request, target, heading, say)
        if failed:
            raise click.exceptions.Exit(1)

    return transcribe


def _targets(
    files: tuple[Path, ...], output: Path | None, form: str, say: Messages
) -> list[Path | None]:
    if output is None:
        return [None] * len(files)
    if len(files) == 1 and not output.is_dir():
        return [output]
    targets = [output / f"{path.stem}.{form}" for path in files]
    for index, target in enumerate(targets):
        if target in targets[:index]:
            raise click.UsageError(say("error.same-name", name=target.name))
    return list(targets)


def _run(
    path: Path, request: _Request, local: LocalTranscriber | None, say: Messages
) -> TranscribedObject:
    with click.progressbar(length=_STEPS, label=path.name, file=sys.stderr) as bar:

        def progress(share: float) -> None:
            bar.update(max(0, min(_STEPS, round(share * _STEPS)) - bar.pos))

        async def opened(session: str) -> None:
            await attach_to(
                session,
                request.attach,
                server=request.server or "",
                token=request.token,
                say=say,
            )

        async def run() -> TranscribedObject:
            if local is not None:
                own: Callable[..., Awaitable[TranscribedObject]] = local
                if request.channels == "separate":
                    own = partial(own, channels=request.channels, speakers=request.speakers)
                if request.profile is not None:
                    own = partial(own, profile=request.profile)
                if request.attach:
                    own = partial(own, attach=request.attach)
                return await own(
                    str(path),
                    language=request.language,
                    translate_to=request.translate_to,
                    minutes=request.minutes,
                    progress=progress,
                )
            return await transcribe_on_server(
                path,
                server=request.server or "",
                token=request.token,
                language=request.language,
                translate_to=request.translate_to,
                minutes=request.minutes,
                progress=progress,
                channels=request.channels,
                speakers=request.speakers,
                profile=request.profile,
                opened=opened,
            )

        return asyncio.run(run())


def _write(
    recording: TranscribedObject,
    request: _Request,
    target: Path | None,
    heading: str,
    say: Messages,
) -> None:
    if request.form == "json":
        write_text(target, json.dumps(recording, ensure_ascii=False) + "\n", say)
        return
    document = minutes_document(recording, say=say)
    if target is None:
        write_text(None, heading + _render(recording, request.form, None), say)
        for language in recording["translations"]:
            write_text(None, f"\n[{language}]\n{_render(recording, request.form, language)}", say)
        if document is not None:
            write_text(None, f"\n{document}", say)
        return
    write_text(target, _render(recording, request.form, None), say)
    for language in recording["translations"]:
        beside = target.with_name(f"{target.stem}.{language}{target.suffix}")
        write_text(beside, _render(recording, request.form, language), say)
    if document is not None:
        write_text(target.with_name(f"{target.stem}.minutes.md"), document, say)


def _render(recording: TranscribedObject, form: str, language: str | None) -> str:
    if form == "txt":
        return to_text(recording, language=language)
    items = cues(recording, language=language, named=form == "srt")
    return to_srt(items) if form == "srt" else to_vtt(items)
