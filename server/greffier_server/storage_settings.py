"""Settings of what is kept: where, how much, encrypted, shared, and how it is proven."""

import os
import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from greffier_server.settings_section import SettingsSection

__all__ = [
    "EncryptionSettings",
    "IntegritySettings",
    "ObjectSettings",
    "SharedSettings",
    "StorageSettings",
    "default_data_dir",
]

_QUOTA = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}:[1-9][0-9]{0,9}$")
_MB = 1_000_000


def default_data_dir() -> Path:
    """Return the user's data directory (XDG Base Directory Specification)."""
    home = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".local" / "share") / "greffier"


class StorageSettings(SettingsSection):
    """Audio at rest."""

    compress: bool = True
    """Segments that take nothing more are packed without loss in the background."""
    quota_mb: int | None = Field(default=None, ge=1)
    """Space the audio of each tenant may take, in megabytes (10^6 bytes); unbounded when absent."""
    quotas: tuple[str, ...] = ()
    """The same for single tenants, as ``tenant:megabytes``."""

    @field_validator("quotas")
    @classmethod
    def _quotas_name_tenants(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_QUOTA.match(entry) for entry in value):
            raise ValueError("write quotas as tenant:megabytes")
        return value

    @property
    def quota_bytes(self) -> int | None:
        """What each tenant may take that is not named in `quotas`."""
        return None if self.quota_mb is None else self.quota_mb * _MB

    @property
    def named_quota_bytes(self) -> dict[str, int]:
        """What single tenants may take."""
        pairs = (entry.rpartition(":") for entry in self.quotas)
        return {tenant: int(megabytes) * _MB for tenant, _, megabytes in pairs}


class EncryptionSettings(SettingsSection):
    """Encryption of audio and words at rest."""

    enabled: bool = False
    """New audio and events are encrypted with a key of their tenant (AES-256-GCM)."""
    master_key_file: Path | None = None
    """File with the master key that wraps the tenants' keys (``greffier keys init``)."""
    master_key: SecretStr | None = None
    """The master key itself, instead of a file: 32 bytes in base64."""
    keys_dir: Path | None = None
    """The wrapped keys of tenants; ``keys`` in the data directory when absent. Back it up."""

    @model_validator(mode="after")
    def _one_master_key(self) -> Self:
        if self.master_key is not None and self.master_key_file is not None:
            raise ValueError("give master_key_file or master_key, not both")
        if self.enabled and self.master_key is None and self.master_key_file is None:
            raise ValueError("encryption needs master_key_file: greffier keys init FILE")
        return self


class SharedSettings(SettingsSection):
    """Several servers on one PostgreSQL database."""

    audio: bool = False
    """Audio is kept where all servers reach it: in the database, and in `objects` where they are
    set. Then any server goes on with any session. Else it is in `data_dir`."""
    lease_s: float = Field(default=6.0, ge=1, le=300)
    """A server from which the database has heard nothing for so long loses its sessions to the
    others. At least twice the longest pause that the machine or the network makes."""


class ObjectSettings(SettingsSection):
    """S3-compatible object storage for closed stretches of shared audio."""

    url: str | None = None
    """Address of the storage, ``https://s3.example.org``; none is used when absent."""
    bucket: str = ""
    """An existing bucket of this server's own."""
    prefix: str = ""
    """Put before each object's name, such as ``greffier/``."""
    region: str = "us-east-1"
    """As the storage calls it; most servers of one's own take any."""
    access_key: str = ""
    """Key id; when empty, credentials are found as AWS's tools find them."""
    secret_key: SecretStr = SecretStr("")
    """Secret of `access_key`."""
    path_style: bool = True
    """The bucket is named in the path; else in the host name."""
    segment_bytes: int = Field(default=8_388_608, ge=65_536, le=134_217_728)
    """Audio in one object."""

    @model_validator(mode="after")
    def _address_is_whole(self) -> Self:
        if self.url is None:
            return self
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url must be http://HOST or https://HOST")
        if not self.bucket:
            raise ValueError("objects needs a bucket")
        return self


class IntegritySettings(SettingsSection):
    """Proof that a record was not changed."""

    anchor_s: float = Field(default=10.0, ge=0, le=3_600)
    """Audio between two anchors of the hash chain: how finely a change of the recording can be
    located. 0: the chain covers the events alone."""
    signing_key: Path | None = None
    """PEM file with the Ed25519 key that signs bundles and heads; when absent, one is made in
    ``signing.pem`` of `data_dir` on first use."""
