"""Every setting of the server as one frozen value; read once at start, then passed down.

Values come from flags, then ``GREFFIER_*`` variables (``__`` nests), then a TOML file, then the
defaults here; `greffier_server.settings_sources.load_settings` reads them.
"""

import hashlib
import ipaddress
import json
import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from greffier_models.catalog import default_models_dir
from greffier_server.alert_settings import AlertSettings
from greffier_server.documents.settings import DocumentSettings
from greffier_server.outlets.settings import MqttSettings, WebhookSettings, check_places
from greffier_server.page_settings import PageSettings
from greffier_server.translation_settings import TranslationSettings
from greffier_server.transport.whip.settings import WebRtcSettings
from greffier_server.upload_settings import UploadSettings
from greffier_server.wyoming_settings import WyomingSettings

__all__ = [
    "EncryptionSettings",
    "IntegritySettings",
    "LanguageModelSettings",
    "LimitSettings",
    "LogSettings",
    "NetworkSettings",
    "ObjectSettings",
    "PageSettings",
    "RecognitionSettings",
    "SecondPassSettings",
    "Settings",
    "SharedSettings",
    "StorageSettings",
    "TenantToken",
    "TlsSettings",
    "default_data_dir",
    "hash_token",
    "is_loopback",
]

_TENANT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
_QUOTA = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}:[1-9][0-9]{0,9}$")
_MB = 1_000_000
_HASHED = re.compile(r"^sha256:[0-9a-f]{64}$")
_MIN_TOKEN_CHARS = 16


def hash_token(token: str) -> str:
    """Return ``sha256:`` and the hexadecimal digest, the only form in which tokens are kept."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address) can only be reached from this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def default_data_dir() -> Path:
    """Return the user's data directory (XDG Base Directory Specification)."""
    home = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".local" / "share") / "greffier"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TenantToken(_Section):
    """One accepted token and the tenant it speaks for."""

    tenant: str
    """Owner of the sessions opened with the token."""
    digest: str
    """``sha256:`` and the hexadecimal digest of the token."""


class TlsSettings(_Section):
    """Encryption of the listening socket."""

    certificate: Path | None = None
    """PEM file with the certificate chain; needs `key`."""
    key: Path | None = None
    """PEM file with the private key; needs `certificate`."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give both certificate and key, or neither")
        return self


class RecognitionSettings(_Section):
    """The speech recogniser."""

    engine: Literal["whisper", "fake"] = "whisper"
    """``whisper``, or ``fake``: no weights, reads test audio back (demonstrations, load tests)."""
    model: str = "whisper-base"
    """Catalogue name of the model (``greffier models list``), or a folder."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; ``auto`` takes a GPU when there is one."""
    compute_type: str = "int8"
    """Number format of the weights, as CTranslate2 names it."""
    devices: tuple[int, ...] = ()
    """Which GPUs, each with a copy of the model; empty = the first one. On a processor: empty."""
    workers: int = Field(default=0, ge=0, le=256)
    """Decodes that run at once on a device; 0 = one a core on a processor, one on a GPU."""
    threads: int = Field(default=0, ge=0, le=256)
    """Processor threads of each worker; 0 = the cores shared among the workers."""
    expected_languages: tuple[str, ...] = ("fr", "en")
    """Languages spoken here; where the language is detected, others need far more evidence."""
    profile: Literal["wide", "telephone", "radio"] = "wide"
    """Kind of audio the voice detector expects: band-limited speech looks less like speech to it,
    so ``telephone`` and ``radio`` ask for less."""
    policy: Literal["alignatt", "local-agreement", "utterance"] = "alignatt"
    """What decides when words are for good: ``alignatt`` (the earliest at equal accuracy),
    ``local-agreement`` (two decodes must agree) or ``utterance`` (at each pause)."""
    latency: Literal["default", "fast"] = "default"
    """``fast``: words are for good about half a second sooner, and less accurate (``alignatt``)."""
    speakers: Literal["off", "auto"] = "off"
    """``auto``: tell the voices of one microphone apart and label segments "1", "2" and so on."""
    speaker_model: str = "campplus-zh-en"
    """Catalogue name of the model that tells voices apart."""
    isolation: Literal["auto", "process", "none"] = "auto"
    """``process``: the engine runs in a process of its own, which is started again when it hangs or
    dies; ``none``: in the server's; ``auto``: a process for ``whisper``, none for ``fake``."""
    stuck_s: float = Field(default=20.0, ge=1, le=3_600)
    """A decode that takes this long, and ten times the usual, is stuck; so is a process that gives
    no sign of life for half of it. With `isolation`."""

    @model_validator(mode="after")
    def _devices_are_gpus(self) -> Self:
        if len(self.devices) > 1 and self.device == "cpu":
            raise ValueError("devices names GPUs; a processor is one device: set workers instead")
        if min(self.devices, default=0) < 0 or len(set(self.devices)) < len(self.devices):
            raise ValueError("devices are indices from 0, each named once")
        return self


class SecondPassSettings(_Section):
    """The second reading of finished sessions."""

    enabled: bool = False
    """Every session is read again once it has finished and no session is live; one can be asked
    for in any case (``greffier second-pass``)."""
    model: str = "best"
    """Catalogue name or folder of the model; ``best``: the largest installed that knows every
    language."""
    beam_size: int = Field(default=5, ge=1, le=20)
    """Readings kept beside each other while decoding."""
    idle_s: float = Field(default=30.0, ge=0)
    """Time without a live session before a pass begins."""
    minutes: bool = True
    """Minutes that the session had are redone from the second reading."""


class LanguageModelSettings(_Section):
    """The language model that translates and writes minutes."""

    engine: Literal["llama", "openai", "fake", "none"] = "llama"
    """``llama``: in this process; ``openai``: a server that speaks its API; ``fake``: fixed
    answers without weights; ``none``: captions only."""
    model: str = "qwen2.5-coder-1.5b-instruct-q4_k_m"
    """Catalogue name or GGUF file for ``llama``; the server's model name for ``openai``."""
    url: str | None = None
    """Address of the ``openai`` engine, ``http://127.0.0.1:8000/v1``."""
    api_key: SecretStr | None = None
    """Key sent to `url`."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts other than loopback that `url` may name."""
    context_tokens: int = Field(default=8192, ge=512, le=1_048_576)
    """Prompt and answer together."""
    silence_timeout_s: float = Field(default=60.0, gt=0, le=3_600)
    """A server of the ``openai`` engine that sends nothing for so long is given up."""

    @model_validator(mode="after")
    def _url_is_allowed(self) -> Self:
        if self.engine != "openai":
            return self
        if self.url is None:
            raise ValueError("engine openai needs url")
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url must be http://HOST or https://HOST")
        if not is_loopback(parts.hostname) and parts.hostname not in self.allowed_hosts:
            raise ValueError("url names a host that is neither loopback nor in allowed_hosts")
        return self


class LimitSettings(_Section):
    """What one server takes at most."""

    max_sessions: int | None = Field(default=None, ge=1, le=100_000)
    """Live streams at once; more are refused with ``server_busy``. When absent, what ``greffier
    capacity`` measured here, or else an estimate made at the start."""
    max_session_hours: float = Field(default=12.0, gt=0, le=168)
    """A session that lasts longer is finished."""
    buffer_ms: int = Field(default=30_000, ge=1_000, le=600_000)
    """Audio waiting for the recogniser, per session; when full, the socket is not read."""
    max_frame_bytes: int = Field(default=1_048_576, ge=4_096, le=67_108_864)
    """Size of one WebSocket message."""
    idle_timeout_s: float = Field(default=300.0, gt=0)
    """A speaking client that sends nothing for so long is disconnected (it may resume)."""
    start_timeout_s: float = Field(default=10.0, gt=0)
    """Time for the first message of a WebSocket."""
    send_timeout_s: float = Field(default=60.0, gt=0)
    """A client that does not take one message for so long is disconnected."""
    grace_s: float = Field(default=60.0, ge=0)
    """A session whose client vanished waits so long for it before it is finished."""
    spool_grace_s: float = Field(default=86_400.0, ge=0)
    """The same where the client keeps the audio on its own disk (``greffier listen --spool``)."""
    drain_s: float = Field(default=10.0, ge=0)
    """On shutdown, time for connections to receive what is durable."""
    handover_s: float = Field(default=20.0, ge=0, le=600)
    """A server that finds its data directory in use waits so long, beyond `drain_s`, for the one
    before it to leave."""
    connections: int = Field(default=512, ge=1, le=100_000)
    """WebSockets at once, viewers included."""


class LogSettings(_Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe message that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """``auto``: for people on a terminal, JSON lines otherwise."""


class StorageSettings(_Section):
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


class EncryptionSettings(_Section):
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


class NetworkSettings(_Section):
    """What the server may reach and who may reach it from a browser."""

    guard: bool = True
    """Refuse every outgoing connection except loopback, `allowed_hosts` and the configured
    database and language model."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, addresses or networks (CIDR) that the guard lets through."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of other sites' pages that may open a WebSocket, ``https://meet.example.org``."""
    hostnames: tuple[str, ...] = ()
    """Further names under which browsers reach a server without tokens (else: loopback names)."""


class SharedSettings(_Section):
    """Several servers on one PostgreSQL database."""

    audio: bool = False
    """Audio is kept where all servers reach it: in the database, and in `objects` where they are
    set. Then any server goes on with any session. Else it is in `data_dir`."""
    lease_s: float = Field(default=6.0, ge=1, le=300)
    """A server from which the database has heard nothing for so long loses its sessions to the
    others. At least twice the longest pause that the machine or the network makes."""


class ObjectSettings(_Section):
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


class IntegritySettings(_Section):
    """Proof that a record was not changed."""

    anchor_s: float = Field(default=10.0, ge=0, le=3_600)
    """Audio between two anchors of the hash chain: how finely a change of the recording can be
    located. 0: the chain covers the events alone."""
    signing_key: Path | None = None
    """PEM file with the Ed25519 key that signs bundles and heads; when absent, one is made in
    ``signing.pem`` of `data_dir` on first use."""


class Settings(BaseSettings):
    """The settings of one server."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="GREFFIER_",
        env_nested_delimiter="__",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    config: Path | None = None
    """The TOML file these settings were read from."""
    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback needs `tokens`."""
    port: int = Field(default=8765, ge=0, le=65_535)
    """Port to listen on; 0 takes a free one."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Sessions, audio and the default database."""
    models_dir: Path | None = None
    """Weights; where ``greffier models pull`` puts them when absent."""
    database_url: SecretStr | None = None
    """SQLAlchemy address; an SQLite file in `data_dir` when absent."""
    tokens: Annotated[tuple[TenantToken, ...], NoDecode] = ()
    """Who may use the server: a table tenant → token (or list of tokens), or a list of
    ``tenant:token``. Only hashes are kept; ``sha256:<hex>`` may be given instead of a token."""
    retention_days: float | None = Field(default=None, gt=0)
    """Finished sessions are deleted after so many days; kept when absent."""
    tls: TlsSettings = TlsSettings()
    """Encryption of the listening socket."""
    recognition: RecognitionSettings = RecognitionSettings()
    """The speech recogniser."""
    second_pass: SecondPassSettings = SecondPassSettings()
    """The second reading of finished sessions."""
    language_model: LanguageModelSettings = LanguageModelSettings()
    """The language model."""
    translation: TranslationSettings = TranslationSettings()
    """Live translation."""
    alerts: AlertSettings = AlertSettings()
    """Words of the radio log that call for attention."""
    storage: StorageSettings = StorageSettings()
    """Audio at rest."""
    encryption: EncryptionSettings = EncryptionSettings()
    """Encryption of audio and words at rest."""
    limits: LimitSettings = LimitSettings()
    """What one server takes at most."""
    shared: SharedSettings = SharedSettings()
    """Several servers on one PostgreSQL database."""
    objects: ObjectSettings = ObjectSettings()
    """S3-compatible object storage for closed stretches of shared audio."""
    log: LogSettings = LogSettings()
    """What is written to standard error."""
    network: NetworkSettings = NetworkSettings()
    """What the server may reach and who may reach it from a browser."""
    integrity: IntegritySettings = IntegritySettings()
    """Proof that a record was not changed."""
    uploads: UploadSettings = UploadSettings()
    """Recordings sent whole over HTTP."""
    wyoming: WyomingSettings = WyomingSettings()
    """A listener for Home Assistant."""
    pages: PageSettings = PageSettings()
    """The pages for browsers."""
    webrtc: WebRtcSettings = WebRtcSettings()
    """Publishing by WebRTC (WHIP)."""

    webhooks: WebhookSettings = WebhookSettings()
    """Places that are told of sessions over HTTP."""
    mqtt: MqttSettings = MqttSettings()
    """A broker to which captions are published."""
    documents: DocumentSettings = DocumentSettings()
    """Minutes and transcripts as documents."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given and nothing else: `load_settings` merges the sources itself."""
        return (init_settings,)

    @property
    def models_path(self) -> Path:
        """Where the weights are."""
        return self.models_dir or default_models_dir()

    @property
    def database(self) -> SecretStr:
        """Address of the database, the default one included."""
        return self.database_url or SecretStr(
            f"sqlite+aiosqlite:///{self.data_dir / 'greffier.db'}"
        )

    @property
    def keys_path(self) -> Path:
        """Where the wrapped keys of tenants are."""
        return self.encryption.keys_dir or self.data_dir / "keys"

    @property
    def egress_hosts(self) -> tuple[str, ...]:
        """Hosts that the socket guard lets through."""
        urls = [
            self.database.get_secret_value(),
            self.language_model.url or "",
            self.objects.url or "",
        ]
        named = [host for url in urls if (host := urlsplit(url).hostname)]
        return (*self.network.allowed_hosts, *named, *self.webrtc.hosts)

    @field_validator("tokens", mode="before")
    @classmethod
    def _hash_tokens(cls, value: object) -> object:
        return tuple(_tenant_tokens(value))

    @property
    def on_postgresql(self) -> bool:
        """The database is a server that others may share."""
        return urlsplit(self.database.get_secret_value()).scheme.startswith("postgres")

    @model_validator(mode="after")
    def _sharing_needs_postgresql(self) -> Self:
        if self.shared.audio and not self.on_postgresql:
            raise ValueError("shared.audio needs database_url to name a PostgreSQL database")
        if self.objects.url is not None and not self.shared.audio:
            raise ValueError("objects are for audio that servers share: set shared.audio too")
        return self

    @model_validator(mode="after")
    def _outlets_are_allowed(self) -> Self:
        check_places(self.webhooks, self.mqtt, allowed_hosts=self.network.allowed_hosts)
        return self

    @model_validator(mode="after")
    def _listening_needs_tokens(self) -> Self:
        if not self.tokens and not is_loopback(self.host):
            raise ValueError(
                f"listening on {self.host} lets other machines in, and no tokens are set: "
                "set tokens (GREFFIER_TOKENS=tenant:token), or listen on 127.0.0.1"
            )
        return self


def _tenant_tokens(value: object) -> list[TenantToken]:
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError("not JSON") from None
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        pairs = [(tenant, token) for tenant, given in table.items() for token in _as_list(given)]
    else:
        pairs = [_split_pair(item) for item in _as_list(value)]
    return [_tenant_token(tenant, token) for tenant, token in pairs]


def _as_list(value: object) -> list[object]:
    return list(cast("list[object]", value)) if isinstance(value, (list, tuple)) else [value]


def _split_pair(item: object) -> tuple[str, object]:
    if isinstance(item, TenantToken):
        return item.tenant, item.digest
    if not isinstance(item, str) or ":" not in item:
        raise ValueError("write tokens as tenant:token")
    tenant, _, token = item.partition(":")
    return tenant, token


def _tenant_token(tenant: str, token: object) -> TenantToken:
    if not _TENANT.match(tenant):
        raise ValueError("a tenant is 1 to 64 letters, digits, dots, dashes or underscores")
    text = token.get_secret_value() if isinstance(token, SecretStr) else token
    if not isinstance(text, str) or len(text) < _MIN_TOKEN_CHARS:
        raise ValueError(f"a token has at least {_MIN_TOKEN_CHARS} characters")
    return TenantToken(tenant=tenant, digest=text if _HASHED.match(text) else hash_token(text))
