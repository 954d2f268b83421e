"""Captions telephone calls: a bridge from Asterisk's AudioSocket to Greffier, one session a call.

In the dialplan (https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/)::

    exten => 100,1,Answer()
     same => n,AudioSocket(40325ec2-5efd-4bd3-805f-53576e581d13,127.0.0.1:9092)

Then ``python audiosocket.py --listen 127.0.0.1:9092`` (``pip install greffier``); GREFFIER_SERVER
and GREFFIER_TOKEN name the server. FreeSWITCH reaches it through mod_audio_stream or Asterisk's own
protocol. The call's sound is 16-bit linear, 8 kHz, one channel.
"""

import argparse
import asyncio
import logging
import os
import struct
from collections.abc import AsyncIterable, Sequence
from typing import Final

import greffier
from greffier.protocol import AudioFormat

HANGUP: Final = 0x00
UUID: Final = 0x01
SOUND: Final = 0x10
RATE: Final = 8_000

log = logging.getLogger("audiosocket")


class Bridge:
    """Serves calls.

    Args:
        server: address of Greffier.
        token: its API token.
        language: of the calls, or ``auto``.
    """

    def __init__(self, server: str, *, token: str | None, language: str) -> None:
        self._server = server
        self._token = token
        self._language = language

    async def call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one call to its end."""
        try:
            kind, name = await packet(reader)
            if kind != UUID:
                return
            await self._speak(reader, title=f"Call {name.hex()}")
        except (asyncio.IncompleteReadError, ConnectionError):
            log.info("a call ended without a word")
        except greffier.GreffierError as error:
            log.warning("a call could not be captioned: %s", error)
        finally:
            writer.close()

    async def _speak(self, reader: asyncio.StreamReader, *, title: str) -> None:
        async with greffier.connect(
            self._server,
            token=self._token,
            format=AudioFormat("pcm_s16le", RATE, 1),
            language=self._language,
            profile="telephone",
            title=title,
        ) as session:
            log.info("session %s", session.id)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(session))
                try:
                    while True:
                        kind, payload = await packet(reader)
                        if kind == HANGUP:
                            break
                        if kind == SOUND:
                            await session.send(payload[: len(payload) & ~1])
                except (asyncio.IncompleteReadError, ConnectionError):
                    log.info("the line broke")
                await session.finish()

    async def _read(self, session: AsyncIterable[object]) -> None:
        """Messages must be read; a switchboard would do something with them here."""
        async for _ in session:
            pass


async def packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one: a byte of kind, two of length (big endian), and the payload."""
    kind, length = struct.unpack("!BH", await reader.readexactly(3))
    return kind, await reader.readexactly(length)


async def serve(options: argparse.Namespace) -> None:
    """Take calls until cancelled."""
    bridge = Bridge(options.server, token=options.token, language=options.language)
    host, _, port = options.listen.rpartition(":")
    server = await asyncio.start_server(bridge.call, host, int(port))
    log.info("listening on port %s", server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run."""
    parser = argparse.ArgumentParser(description="Captions telephone calls.")
    parser.add_argument("--listen", default="127.0.0.1:9092", metavar="HOST:PORT")
    parser.add_argument(
        "--server", default=os.environ.get("GREFFIER_SERVER", "ws://127.0.0.1:8765")
    )
    parser.add_argument("--token", default=os.environ.get("GREFFIER_TOKEN"))
    parser.add_argument("--language", default="auto")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asyncio.run(serve(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
