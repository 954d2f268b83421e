"""BlockBuster, set to our own packages, with the few exemptions and their reasons."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

from blockbuster import BlockBuster

__all__ = ["EXEMPT", "blocking_calls_refused"]

OURS = ["greffier", "greffier_models", "greffier_server"]

IMPORTS = "first import of a lazily imported module; later ones touch no file"
PASSWORDS = "asyncpg looks for its password files at each new connection and cannot be told not to"

EXEMPT: tuple[tuple[str, str, frozenset[str], str], ...] = (
    ("os.stat", "<frozen importlib._bootstrap>", frozenset({"_handle_fromlist"}), IMPORTS),
    ("os.listdir", "<frozen importlib._bootstrap>", frozenset({"_find_and_load"}), IMPORTS),
    ("os.getcwd", "<frozen importlib._bootstrap>", frozenset({"_find_and_load"}), IMPORTS),
    ("io.BufferedReader.read", "<frozen importlib._bootstrap>", frozenset({"_load"}), IMPORTS),
    *(
        (call, "asyncpg/connect_utils.py", frozenset({"_parse_connect_dsn_and_args"}), PASSWORDS)
        for call in ("os.stat", "os.path.abspath", "os.path.islink", "os.readlink", "os.getcwd")
    ),
    (
        "os.path.abspath",
        "sqlalchemy/dialects/sqlite/pysqlite.py",
        frozenset({"create_connect_args"}),
        "one getcwd when an engine is made, at start",
    ),
    (
        "io.TextIOWrapper.write",
        "logging/__init__.py",
        frozenset({"emit"}),
        "log lines go to standard error, as in production",
    ),
)
"""What may block inside a running loop: call, file and functions it is below, reason."""


@contextmanager
def blocking_calls_refused() -> Generator[None]:
    """Raise `blockbuster.BlockingError` where our code blocks a running event loop.

    Tests themselves may read and write files: only calls made below our packages count.
    """
    blockbuster = _blockbuster()
    blockbuster.activate()
    try:
        yield
    finally:
        blockbuster.deactivate()


@cache
def _blockbuster() -> BlockBuster:
    blockbuster = BlockBuster(OURS)
    for call, file, functions, _reason in EXEMPT:
        blockbuster.functions[call].can_block_in(file, functions)
    return blockbuster
