"""The end of a frame far above the limit: an error that says why, before the close frame.

Such a frame is never held in memory: it is refused when its header is read. What the client is
still sending then is read and thrown away for a moment, since to close on unread data resets the
connection, and a reset may overtake the explanation.
"""

import logging
from typing import Final

from websockets.frames import CloseCode
from websockets.protocol import State
from websockets.server import ServerProtocol

from greffier.codec import encode
from greffier.protocol import Error

__all__ = ["LINGER_S", "OversizeProtocol"]

LINGER_S: Final = 1.0
"""What is still on its way is thrown away for so long."""


class OversizeProtocol(ServerProtocol):
    """The server's side of a WebSocket that explains the close code 1009.

    Args:
        max_size: of a message, in bytes.
        said_bytes: limit that clients are told.
    """

    def __init__(self, *, max_size: int | None, said_bytes: int) -> None:
        super().__init__(max_size=max_size, logger=logging.getLogger("uvicorn.error"))
        self._said_bytes = said_bytes

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        """Fail the connection (RFC 6455 §7.1.7), after the reason where there is more to say."""
        if code == CloseCode.MESSAGE_TOO_BIG and self.state is State.OPEN:
            text = f"a message has at most {self._said_bytes} bytes; send audio in smaller frames"
            error = Error("frame_too_large", text)
            self.send_text(encode(error).encode())
            reason = error.code
        super().fail(code, reason)
