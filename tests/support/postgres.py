"""A PostgreSQL server of the tests' own: made in a temporary directory, stopped at the end."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Protocol, cast

import asyncpg

__all__ = [
    "AdminConnection",
    "PostgresMissing",
    "PostgresServer",
    "connect",
    "end_connections",
    "new_database",
    "postgres_server",
    "running_postgres",
]


class PostgresMissing(RuntimeError):
    """The machine has no PostgreSQL server binaries."""


def _binaries() -> Path:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if found and shutil.which("postgres", path=str(Path(found).resolve().parent)):
        return Path(found).resolve().parent
    raise PostgresMissing("these tests need a real PostgreSQL: apt-get install postgresql")


def _as_server_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        if (os.geteuid() == 0)
        else []
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A cluster of the tests' own in `folder`; `start` it, and `stop` it as often as wanted."""

    def __init__(self, folder: Path) -> None:
        self._binaries = _binaries()
        self._user = _as_server_user()
        self._folder = folder
        if self._user:
            shutil.chown(folder, "postgres", "postgres")
        self.port = _free_port()
        self._run(
            str(self._binaries / "initdb"),
            f"--pgdata={folder / 'cluster'}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )

    @property
    def url(self) -> str:
        """Of the `postgres` database (user `postgres`, no password)."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-F -p {self.port} -c listen_addresses=127.0.0.1"
        options += f" -c unix_socket_directories={self._folder}"
        self._control(f"--log={self._folder / 'log'}", f"--options={options}", "start")

    def stop(self) -> None:
        """Stop it at once, as a crash does."""
        self._control("--mode=immediate", "stop")

    def _control(self, *arguments: str) -> None:
        program = str(self._binaries / "pg_ctl")
        self._run(program, f"--pgdata={self._folder / 'cluster'}", "--wait", *arguments)

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [*self._user, *command], cwd=self._folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")


@contextmanager
def running_postgres() -> Generator[PostgresServer, None, None]:
    """Run an empty cluster until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="greffier-pg-", dir="/tmp"))
    try:
        server = PostgresServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_server() -> Generator[str, None, None]:
    """Yield the URL of an empty cluster's `postgres` database (user `postgres`, no password)."""
    with running_postgres() as server:
        yield server.url


class AdminConnection(Protocol):
    """What tests use of an asyncpg connection."""

    async def execute(self, query: str, *arguments: object) -> str: ...
    async def fetch(self, query: str, *arguments: object) -> Sequence[object]: ...
    async def fetchval(self, query: str, *arguments: object) -> object: ...
    def transaction(self) -> AbstractAsyncContextManager[None]: ...
    async def close(self) -> None: ...


async def connect(url: str) -> AdminConnection:
    """Open a connection of the tests' own."""
    return cast("AdminConnection", await asyncpg.connect(url))  # pyright: ignore[reportUnknownMemberType]


async def new_database(server: str) -> str:
    """Create an empty database in the server; return its URL."""
    name = f"t{secrets.token_hex(8)}"
    connection = await connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return server.rpartition("/")[0] + f"/{name}"


async def end_connections(database: str) -> int:
    """Cut every connection of Greffier to `database`, as a restart of it would; return how many."""
    connection = await connect(database)
    try:
        return len(
            await connection.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'greffier' AND datname = current_database()"
            )
        )
    finally:
        await connection.close()
