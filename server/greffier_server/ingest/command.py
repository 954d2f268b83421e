"""The command ``greffier ingest``."""

import asyncio
import sys
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import click

from greffier.address import DEFAULT_SERVER
from greffier.errors import GreffierError
from greffier.exchange import interruptible
from greffier.protocol import AudioProfile
from greffier_server.ingest.carrying import Destination, carry
from greffier_server.ingest.sources import Source, SourceUnusable

__all__ = ["ingest"]


@click.command()
@click.argument("source")
@click.option(
    "--server", envvar="GREFFIER_SERVER", default=DEFAULT_SERVER, show_default=True, metavar="URL"
)
@click.option("--token", envvar="GREFFIER_TOKEN", metavar="TOKEN", help="Of the server.")
@click.option("--language", "-l", default="auto", show_default=True, metavar="CODE")
@click.option("--translate", "-t", multiple=True, metavar="LANG", help="Into this language, too.")
@click.option("--title", default="", help="Of the session.")
@click.option("--minutes/--no-minutes", default=False, help="Write minutes at the end.")
@click.option(
    "--profile",
    type=click.Choice(["wide", "telephone", "radio"]),
    help="Kind of audio; the server's own setting when absent.",
)
@click.option("--separate", is_flag=True, help="Each channel is a speaker.")
@click.option(
    "--sdp",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Session description of an RTP stream: for Opus and other dynamic payload types.",
)
@click.option("--from", "sender", metavar="ADDRESS", help="Take RTP from this address only.")
@click.option("--once", is_flag=True, help="The stream is a recording: stop at its end.")
@click.option("--quiet", "-q", is_flag=True, help="Print no text.")
def ingest(
    *,
    source: str,
    server: str,
    token: str | None,
    language: str,
    translate: tuple[str, ...],
    title: str,
    minutes: bool,
    profile: str | None,
    separate: bool,
    sdp: Path | None,
    sender: str | None,
    once: bool,
    quiet: bool,
) -> None:
    """Bring a stream to a server: radio receivers, rooms, web radios, telephone calls.

    SOURCE is rtp://ADDRESS:PORT (listens there), audiosocket://ADDRESS:PORT (listens for calls of
    Asterisk, each a session), or an rtsp:, http: or https: address, which is fetched, and fetched
    again when it breaks off. What is missed meanwhile becomes a gap.
    """
    destination = Destination(
        server,
        token,
        language,
        translate,
        title,
        minutes,
        cast("AudioProfile | None", profile),
        separate,
    )
    try:
        asyncio.run(_ingest(source, destination, sdp, sender, once=once, quiet=quiet))
    except (GreffierError, SourceUnusable) as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(1)


async def _ingest(
    address: str,
    destination: Destination,
    sdp: Path | None,
    sender: str | None,
    *,
    once: bool,
    quiet: bool,
) -> None:
    def say(text: str) -> None:
        if not quiet:
            click.echo(text, nl=False)

    stop = asyncio.Event()
    if address.startswith("audiosocket://"):
        with interruptible(stop.set):
            await _answer_calls(address, destination, stop)
        return
    source = await _source(address, sdp, sender, once=once)
    with interruptible(stop.set):
        await carry(
            source,
            destination,
            stop=stop,
            say=say,
            opened=lambda session: click.echo(f"Session {session}", err=True),
        )


async def _answer_calls(address: str, destination: Destination, stop: asyncio.Event) -> None:
    from greffier_server.ingest.audio_socket import answer_calls

    host, port = _place(address)
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def tell(found: asyncio.Future[int]) -> None:
        if not found.cancelled():
            click.echo(f"Listening for calls on {host}, port {found.result()}", err=True)

    listening.add_done_callback(tell)
    await answer_calls(host, port, destination, stop=stop, listening=listening)


async def _source(address: str, sdp: Path | None, sender: str | None, *, once: bool) -> Source:
    from greffier_server.ingest.pull_source import PullSource
    from greffier_server.ingest.rtp_source import RtpSource, parse_session

    if not address.startswith("rtp://"):
        return PullSource(address, once=once)
    host, port = _place(address)
    text = "" if sdp is None else await asyncio.to_thread(sdp.read_text, encoding="utf-8")
    listening = RtpSource(host, port, forms=parse_session(text) if text else None, sender=sender)
    await listening.listen()
    click.echo(f"Listening for RTP on {host}, port {listening.port}", err=True)
    return listening


def _place(address: str) -> tuple[str, int]:
    """Host and port of an address to listen on."""
    scheme = address.partition(":")[0]
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None:
        raise SourceUnusable(
            f"write it as {scheme}://ADDRESS:PORT, such as {scheme}://0.0.0.0:5004"
        )
    return host, port


if __name__ == "__main__":
    ingest()
