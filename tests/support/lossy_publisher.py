"""A publisher as a process of its own, to be run in a network of its own.

It speaks a tone by WHIP through a network that delays and reorders (and loses, when asked to),
finishes, and prints as JSON what it sent and what the session's log holds.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

from tests.support.relay import Weather
from tests.support.whip_peer import ClipTrack, publishing, through, tone


async def speak(arguments: argparse.Namespace) -> dict[str, Any]:
    """Speak once."""
    track = ClipTrack(tone(440, arguments.seconds), pace=arguments.pace)
    weather = Weather(loss=arguments.loss, jitter_s=arguments.jitter_s, seed=arguments.seed)
    host = arguments.address
    async with (
        publishing(arguments.server, track, token=arguments.token, address=host) as peer,
        through(peer, weather, host=host) as relays,
    ):
        await ready(peer.http)
        if arguments.deaf:
            peer.deafen()
        track.hold.clear()
        answer = await peer.publish(minutes="false")
        assert answer.status_code == 201, answer.text
        async with asyncio.timeout(60):  # nothing is said before it can be heard
            while not peer.of("started"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        track.hold.set()
        session = f"/v1/sessions/{peer.session}"
        async with asyncio.timeout(60):
            await track.played.wait()
            await asyncio.sleep(0.5)  # what is under way
            assert (await peer.http.delete(peer.location)).status_code == 200
            while (await peer.http.get(session)).json()["state"] != "finished":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        events = await peer.http.get(f"{session}/events")
        found = await peer.http.get(session)
        (relay,) = relays
        return {
            "events": [json.loads(line)["event"] for line in events.text.splitlines()],
            "duration_ms": found.json()["duration_ms"],
            "delivered": relay.delivered,
            "dropped": relay.dropped,
        }


async def ready(http: Any) -> None:
    """Wait until the server takes sessions."""
    import httpx

    async with asyncio.timeout(60):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


def main() -> None:
    """Speak and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--pace", type=float, default=3.0)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--jitter-s", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deaf", action="store_true")
    sys.stdout.write(json.dumps(asyncio.run(speak(parser.parse_args()))))


if __name__ == "__main__":
    main()
