"""What a child writes to standard error, put into the parent's log."""

import json
import logging
import sys
from typing import IO, cast

__all__ = ["LineFormatter", "relay"]

_log = logging.getLogger("greffier_models.isolation.child")

_CRASH = ("Fatal Python error", "Current thread ", "Thread 0x", "  File ")
"""How `faulthandler` begins its lines: places in the code, no values."""


class LineFormatter(logging.Formatter):
    """A record as a line of JSON, in the child; exceptions as their type and place alone."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        message = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            message += f" ({record.exc_info[0].__name__})"
        return json.dumps({"level": record.levelno, "name": record.name, "message": message})


def relay(stream: IO[bytes] | None) -> None:
    """Log everything until the stream ends, and close it.

    Lines of native code may say anything, so they are for debugging only; where the process crashed
    is an error.
    """
    if stream is None:
        return
    with stream:
        for raw in stream:
            line = raw.decode(errors="replace").rstrip()
            if line.startswith(_CRASH):
                _log.error("%s", line)
            elif not _relayed(line) and line:
                _log.debug("%s", line)


def _relayed(line: str) -> bool:
    if not line.startswith('{"level"'):
        return False
    try:
        said = cast("dict[str, object]", json.loads(line))
    except ValueError:
        return False
    level = said.get("level")
    logger = logging.getLogger(str(said.get("name", _log.name)))
    logger.log(level if isinstance(level, int) else logging.INFO, "%s", said.get("message", ""))
    return True


def log_to_stderr(level: int) -> None:
    """Send the child's logging to its standard error, one line a record."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
