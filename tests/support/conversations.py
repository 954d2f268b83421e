"""Conversations with a server over JSON frames, recorded as files that say what they must be."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from greffier_server.transport.encoded_audio import is_list

__all__ = ["Conversation", "check_lines", "conversation", "encoded"]

_FOLDER = Path(__file__).parents[1] / "data" / "conversations"
_UPDATE = "UPDATE_GOLDEN"
"""Set in the environment, files are written anew instead of compared."""
_CHANGING = {"id": "sess_", "expires_at": "", "created": "", "request_id": ""}
_DELTAS = ("delta", "text")
_ENDS = (".completed", ".done", ".failed")


def encoded(audio: bytes) -> str:
    """Base64, as JSON carries audio."""
    return base64.b64encode(audio).decode()


class Conversation:
    """One client's frames in both directions."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.lines: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        shown = dict(message)
        if "audio" in shown:
            shown["audio"] = f"<{len(message['audio'])} characters>"
        self.lines.append({"client": shown})
        await self.socket.send(json.dumps(message))

    async def receive(self, *kinds: str, count: int = 1) -> dict[str, Any]:
        """Read up to the `count`-th message of these types; any when there are none."""
        async with asyncio.timeout(20):
            while True:
                message: dict[str, Any] = json.loads(await self.socket.recv())
                self.lines.append({"server": message})
                count -= not kinds or message["type"] in kinds
                if count == 0:
                    return message

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The server's messages of a type so far."""
        told = [line["server"] for line in self.lines if "server" in line]
        return [message for message in told if message["type"] == kind]

    def check(self, name: str) -> None:
        """Compare with the file of this name.

        What differs each time is left out. The deltas of an item stand as one before its end: how
        much is committed at once, and when, is a matter of time.
        """
        check_lines(name, _settled(self.lines))


def check_lines(name: str, lines: Sequence[object]) -> None:
    """Compare what was said, one object a line, with the file of this name."""
    path = _FOLDER / f"{name}.jsonl"
    said = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    if os.environ.get(_UPDATE):
        path.write_text(said, encoding="utf-8")
    assert said == path.read_text(encoding="utf-8"), f"set {_UPDATE} to write {path.name} anew"


def _settled(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    settled: list[dict[str, Any]] = []
    added: dict[str, dict[str, Any]] = {}
    for line in map(_without_changes, lines):
        server = line.get("server", {})
        server.pop("event_id", None)
        kind, item = server.get("type", ""), server.get("item_id", "")
        if kind.endswith("delta"):
            whole = added.setdefault(item, {**server, **dict.fromkeys(_texts(server), "")})
            for name in _texts(server):
                whole[name] += server[name]
            continue
        if kind.endswith(_ENDS) and item in added:
            settled.append({"server": added.pop(item)})
        settled.append(line)
    return settled


def _texts(event: dict[str, Any]) -> list[str]:
    return [name for name in _DELTAS if name in event]


def _without_changes(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {
            key: "…" if key in _CHANGING and _changes(key, entry) else _without_changes(entry)
            for key, entry in fields.items()
        }
    return [_without_changes(entry) for entry in value] if is_list(value) else value


def _changes(key: str, value: Any) -> bool:
    return not isinstance(value, str) or value.startswith(_CHANGING[key])


@asynccontextmanager
async def conversation(
    url: str,
    path: str,
    *,
    subprotocols: tuple[str, ...] = (),
    headers: dict[str, str] | None = None,
) -> AsyncGenerator[Conversation, None]:
    """Connect and talk."""
    async with connect(
        url + path,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        additional_headers=headers,
        compression=None,
        proxy=None,
    ) as socket:
        yield Conversation(socket)
