"""A place that is told over HTTP: one signed POST a notice; redirects are not followed."""

import asyncio
import json
import math
from collections.abc import Callable
from typing import Final

import httpx

from greffier._version import __version__
from greffier_server.outlets.notices import Notice
from greffier_server.outlets.outlet import Delivered, Failed, Gone, Outcome, Refused
from greffier_server.outlets.settings import WebhookEndpoint
from greffier_server.outlets.signing import HEADER, sign

__all__ = ["Webhook", "webhook_client"]

_GONE: Final = 410
_REFUSALS: Final = frozenset({400, 413, 415, 422})
"""The receiver does not understand this one; another attempt would be the same."""
_LONGEST_WAIT_S: Final = 3_600.0


def webhook_client() -> httpx.AsyncClient:
    """Return what `Webhook` sends with: no proxy and no credentials of the environment."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
    return httpx.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        limits=limits,
        headers={"User-Agent": f"greffier/{__version__}"},
    )


class Webhook:
    """An `Outlet` over HTTP.

    Args:
        endpoint: of the settings.
        client: shared; closed by its owner.
        timeout_s: for one whole attempt.
        now_s: seconds since the epoch, for the signature.
    """

    def __init__(
        self,
        endpoint: WebhookEndpoint,
        *,
        client: httpx.AsyncClient,
        timeout_s: float,
        now_s: Callable[[], float],
    ) -> None:
        self._endpoint = endpoint
        self._client = client
        self._timeout_s = timeout_s
        self._now_s = now_s
        secrets = filter(None, (endpoint.secret, endpoint.previous_secret))
        self._secrets = tuple(secret.get_secret_value() for secret in secrets)

    @property
    def name(self) -> str:
        """Of the endpoint."""
        return self._endpoint.name

    def serves(self, tenant: str) -> bool:
        """One tenant's."""
        return tenant == self._endpoint.tenant

    def wants(self, notice: Notice) -> bool:
        """As its settings say."""
        return notice.kind in self._endpoint.events

    async def send(self, notice: Notice, *, attempt: int) -> Outcome:
        """Post it once."""
        body = json.dumps(notice.document(), ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": notice.id,
            "Greffier-Event": notice.kind,
            "Greffier-Attempt": str(attempt),
            HEADER: sign(body, self._secrets, now_s=int(self._now_s())),
        }
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(
                    "POST",
                    self._endpoint.url,
                    content=body,
                    headers=headers,
                    timeout=self._timeout_s,
                ) as response,  # its body is of no interest, and may have no end
            ):
                return _outcome(response.status_code, response.headers.get("retry-after", ""))
        except (TimeoutError, httpx.TimeoutException):
            return Failed("timeout")
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            return Failed("unreachable")


def _outcome(status: int, retry_after: str) -> Outcome:
    if 200 <= status < 300:
        return Delivered()
    if 300 <= status < 400:
        return Failed("redirected")
    if status == _GONE:
        return Gone("http_410")
    if status in _REFUSALS:
        return Refused(f"http_{status}")
    return Failed(f"http_{status}", _seconds(retry_after))


def _seconds(text: str) -> float | None:
    """Seconds of a Retry-After header; its other form, a date, is not used."""
    try:
        asked = float(text)
    except ValueError:
        return None
    return min(max(asked, 0.0), _LONGEST_WAIT_S) if math.isfinite(asked) else None
