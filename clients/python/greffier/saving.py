"""A finished session as a folder of files."""

import json
from pathlib import Path

from greffier.messages import Messages
from greffier.minutes_text import minutes_markdown, stamp
from greffier.plain import PlainError, from_plain
from greffier.protocol import Minutes
from greffier.subtitles import cues, gap_text, to_srt, to_vtt
from greffier.transcript import TranscribedObject

__all__ = ["minutes_document", "save", "starts_ms", "transcript_markdown"]


def save(
    recording: TranscribedObject, folder: Path, *, title: str = "", say: Messages
) -> list[Path]:
    """Write captions, transcript, translations and minutes into `folder`; return what was written.

    Raises:
        OSError: the folder cannot be written to.
    """
    files = {
        "captions.srt": to_srt(cues(recording, named=True)),
        "captions.vtt": to_vtt(cues(recording)),
        "transcript.md": transcript_markdown(recording, title=title, say=say),
    }
    for language in recording["translations"]:
        files[f"captions.{language}.srt"] = to_srt(cues(recording, language=language, named=True))
        files[f"captions.{language}.vtt"] = to_vtt(cues(recording, language=language))
    document = minutes_document(recording, say=say)
    if document is not None:
        files["minutes.md"] = document
        files["minutes.json"] = (
            json.dumps(recording["minutes"], ensure_ascii=False, indent=2) + "\n"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def transcript_markdown(recording: TranscribedObject, *, title: str = "", say: Messages) -> str:
    """Return what was said as a document, with times, speakers and translations."""
    head = [f"# {title or say('transcript.transcript')}", ""]
    entries: list[tuple[float, list[str]]] = []
    translated = {
        (language, part["id"]): part["text"]
        for language, parts in recording["translations"].items()
        for part in parts
    }
    for segment in recording["segments"]:
        speaker = f" **{segment['speaker']}**" if segment["speaker"] else ""
        lines = [f"`{stamp(round(segment['start'] * 1000))}`{speaker} {segment['text']}", ""]
        for language in recording["translations"]:
            text = translated.get((language, segment["id"]))
            if text:
                lines += [f"> *{language}* {text}", ""]
        entries.append((segment["start"], lines))
    for gap in recording.get("gaps", []):
        speaker = f" **{gap['speaker']}**" if gap["speaker"] else ""
        text = gap_text(gap).replace("_", "\\_").replace("[", "\\[").replace("]", "\\]")
        entries.append(
            (gap["start"], [f"`{stamp(round(gap['start'] * 1000))}`{speaker} {text}", ""])
        )
    entries.sort(key=lambda entry: entry[0])
    return "\n".join([*head, *(line for _, lines in entries for line in lines)])


def minutes_document(recording: TranscribedObject, *, say: Messages) -> str | None:
    """Return the minutes as Markdown, None where there are none."""
    if recording["minutes"] is None:
        return None
    try:
        minutes = from_plain(Minutes, {"seq": 0, **recording["minutes"]}, where="minutes")
    except PlainError:
        return None
    return minutes_markdown(minutes, starts_ms(recording), say=say)


def starts_ms(recording: TranscribedObject) -> dict[int, int]:
    """Return where each segment starts."""
    return {segment["id"]: round(segment["start"] * 1000) for segment in recording["segments"]}
