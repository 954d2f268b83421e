"""Captions to an MQTT broker: one topic a session and language, the last caption retained.

Everything is published with QoS 1 and waited for; the connection is taken up again by itself. The
broker's client is an extra (``pip install greffier[mqtt]``) and is imported when it is used.
"""

import asyncio
import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from greffier_server.errors import SettingsInvalid
from greffier_server.outlets.notices import Notice
from greffier_server.outlets.outlet import Delivered, Failed, Outcome
from greffier_server.outlets.settings import MqttSettings

if TYPE_CHECKING:
    import aiomqtt

__all__ = ["MqttOutlet"]

_log = logging.getLogger(__name__)

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_TIMEOUT_S: Final = 10.0
_FIRST_DELAY_S: Final = 0.5
_LONGEST_DELAY_S: Final = 30.0
_STATE: Final = "state"
"""Topic beside the languages'."""


class MqttOutlet:
    """An `Outlet` on a broker.

    Args:
        settings: who is published, and where.
        url: of the broker.

    Raises:
        SettingsInvalid: the extra is not installed.
    """

    def __init__(self, settings: MqttSettings, url: str) -> None:
        try:
            import aiomqtt
        except ImportError:
            raise SettingsInvalid(
                "mqtt.url is set, and its client is not installed: pip install 'greffier[mqtt]'"
            ) from None
        self._mqtt = aiomqtt
        self._settings = settings
        self._parts = urlsplit(url)
        self._client: aiomqtt.Client | None = None
        self._connected = asyncio.Event()

    @property
    def name(self) -> str:
        """One broker a server."""
        return "mqtt"

    def serves(self, tenant: str) -> bool:
        """Those of the settings."""
        return tenant in self._settings.tenants

    def wants(self, notice: Notice) -> bool:
        """Text as it is committed; minutes are for those who ask."""
        return notice.kind in ("caption", "translation", "finished")

    async def run(self) -> None:
        """Keep a connection until cancelled."""
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                async with self._open() as client:
                    self._client, delay_s = client, _FIRST_DELAY_S
                    self._connected.set()
                    async for _ in client.messages:  # nothing is subscribed: it waits for the end
                        pass
            except (self._mqtt.MqttError, OSError):
                _log.warning("the broker is out of reach; trying again in %s s", delay_s)
            finally:
                self._client = None
                self._connected.clear()
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    def _open(self) -> "aiomqtt.Client":
        parts, settings = self._parts, self._settings
        return self._mqtt.Client(
            parts.hostname or "",
            parts.port or _PORTS[parts.scheme],
            username=settings.username or None,
            password=settings.password.get_secret_value() or None,
            timeout=_TIMEOUT_S,
            tls_params=self._mqtt.TLSParameters() if parts.scheme == "mqtts" else None,
        )

    async def send(self, notice: Notice, *, attempt: int) -> Outcome:
        """Publish, and wait for the broker to have it."""
        del attempt
        with suppress(TimeoutError):
            async with asyncio.timeout(_TIMEOUT_S):
                await self._connected.wait()
        client = self._client
        if client is None:
            return Failed("unreachable")
        text = json.dumps(notice.document(), ensure_ascii=False, separators=(",", ":"))
        place = f"{self._settings.prefix}/{notice.tenant}/{notice.session}"
        try:
            if notice.kind == "finished":
                await client.publish(f"{place}/{_STATE}", text, qos=1, timeout=_TIMEOUT_S)
                for language in notice.body["languages"]:  # nobody would clear them later
                    await client.publish(
                        f"{place}/{language or 'und'}", None, qos=1, retain=True, timeout=_TIMEOUT_S
                    )
            else:
                topic = f"{place}/{notice.language or 'und'}"
                await client.publish(topic, text, qos=1, retain=True, timeout=_TIMEOUT_S)
        except (self._mqtt.MqttError, OSError):
            return Failed("unreachable")
        return Delivered()
