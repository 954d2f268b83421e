"""``greffier watch`` of what is not there: one line, once."""

import asyncio
import os
import sys

import pytest

from greffier.protocol import Error
from tests.support.peer import Peer, PeerConnection

pytestmark = pytest.mark.integration


async def test_a_refusal_is_said_once() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.watched()
        await peer.send(Error("session_not_found", "There is no such session."))
        await peer.close(4404)

    async with Peer(script) as peer:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "greffier", "--lang", "en", "watch", "nope"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "GREFFIER_SERVER": peer.url},
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 3
    assert (out, err) == (b"", b"Error: There is no such session.\n")
