"""Questions with a known answer, and questions without one, put to scripted meetings.

``python -m benchmarks.questions --model FILE.gguf``. Counts answers that hold the wanted words,
questions left unanswered that should not be, and answers to what was never said.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from greffier_models.llm import load_llama
from greffier_models.protocols import TextGenerator
from greffier_server.pipeline.answering import Answering, OneAtATime
from tests.support.archived import TENANT, Said, archive_kit, session_events

QUESTIONS = Path(__file__).with_name("questions.json")
MEETINGS = Path(__file__).with_name("minutes_meetings.json")
_TURN_MS = 5_000


async def measured(generator: TextGenerator, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the counts for one meeting."""
    meetings = json.loads(MEETINGS.read_text("utf-8"))
    meeting = next(each for each in meetings if each["name"] == asked["name"])
    talk = [
        Said(_TURN_MS * at, text, speaker, language=meeting["language"])
        for at, (speaker, text) in enumerate(meeting["turns"])
    ]
    begun_s = time.monotonic()
    right, missed, beside, invented = 0, list[str](), list[str](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        async with archive_kit(Path(folder)) as kit:
            await kit.keep("meeting", session_events(talk, title=""), title="")
            answering = Answering(
                generator, kit.archive.shelf, kit.archive.search, places=OneAtATime()
            )
            for question, wanted in asked["said"]:
                answer = await answering.ask(TENANT, question)
                text = " ".join(sentence.text for sentence in answer.sentences)
                right += wanted in text
                if not answer.said:
                    missed.append(question)
                elif wanted not in text:
                    beside.append(question)
            for question in asked["not_said"]:
                if (await answering.ask(TENANT, question)).said:
                    invented.append(question)
    return {
        "meeting": asked["name"],
        "answerable": len(asked["said"]),
        "right": right,
        "missed": missed,
        "beside": beside,
        "unanswerable": len(asked["not_said"]),
        "answered_all_the_same": invented,
        "elapsed_s": round(time.monotonic() - begun_s, 1),
    }


async def _main(model: Path, names: list[str] | None) -> None:
    generator = load_llama(model, context_tokens=4096, parallel=1)
    try:
        for asked in json.loads(QUESTIONS.read_text("utf-8")):
            if not names or asked["name"] in names:
                found = await measured(generator, asked)
                print(json.dumps(found, ensure_ascii=False, indent=2), flush=True)
    finally:
        await generator.close()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="GGUF file")
    parser.add_argument("--meeting", action="append", help="only this one (again for more)")
    asked = parser.parse_args()
    asyncio.run(_main(asked.model, asked.meeting))


if __name__ == "__main__":
    main()
