"""Every setting of the server as one frozen value; read once at start, then passed down.

Values come from flags, then ``GREFFIER_*`` variables (``__`` nests), then a TOML file, then the
defaults here; `greffier_server.settings_sources.load_settings` reads them.
"""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from greffier_models.catalog import default_models_dir
from greffier_server.access_settings import (
    NetworkSettings,
    TenantToken,
    TlsSettings,
    hash_token,
    is_loopback,
    tenant_tokens,
)
from greffier_server.alert_settings import AlertSettings
from greffier_server.documents.settings import DocumentSettings
from greffier_server.language_model_settings import LanguageModelSettings
from greffier_server.limit_settings import LimitSettings
from greffier_server.outlets.settings import MqttSettings, WebhookSettings, check_places
from greffier_server.page_settings import PageSettings
from greffier_server.recognition_settings import RecognitionSettings, SecondPassSettings
from greffier_server.settings_section import SettingsSection
from greffier_server.storage_settings import (
    EncryptionSettings,
    IntegritySettings,
    ObjectSettings,
    SharedSettings,
    StorageSettings,
    default_data_dir,
)
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


class LogSettings(SettingsSection):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe message that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """``auto``: for people on a terminal, JSON lines otherwise."""


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
        return tuple(tenant_tokens(value))

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
