"""Settings of speech recognition, live and in the second reading."""

from typing import Literal, Self

from pydantic import Field, model_validator

from greffier_server.settings_section import SettingsSection

__all__ = ["RecognitionSettings", "SecondPassSettings"]


class RecognitionSettings(SettingsSection):
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


class SecondPassSettings(SettingsSection):
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
