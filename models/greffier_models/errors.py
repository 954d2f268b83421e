"""Errors of the engines.

* EngineError
    * EngineUnavailable (retryable): nothing answers at the address, or the engine was closed
        * EngineDown (retryable): the engine's process fails again and again
    * EngineDied (retryable): the engine's process ended with the request in its hands
    * EngineTimeout (retryable): no answer in time
    * EngineOutOfMemory (retryable): not enough memory for this request
    * PromptTooLong: more tokens than the model's context
    * UnsupportedLanguage: the model does not know this language
    * RequestPoisoned: the engine's process died of this request, more than once
    * WeightsError
        * WeightsMissing: the model is not on this machine
        * WeightsCorrupt: a file differs from its checksum
        * UnknownModel: no such name in the catalogue
        * SourceFailed (retryable): no source could deliver the weights
        * StorageFailed: the models directory is full or not writable
        * WeightsBusy (retryable): another process is at work on the same model

Every error has a stable `code`, a message fit for a user (what to do, no content of a session) and
`retryable`.
"""

from typing import ClassVar

__all__ = [
    "EngineDied",
    "EngineDown",
    "EngineError",
    "EngineOutOfMemory",
    "EngineTimeout",
    "EngineUnavailable",
    "PromptTooLong",
    "RequestPoisoned",
    "SourceFailed",
    "StorageFailed",
    "UnknownModel",
    "UnsupportedLanguage",
    "WeightsBusy",
    "WeightsCorrupt",
    "WeightsError",
    "WeightsMissing",
]


class EngineError(Exception):
    """An engine could not do what was asked."""

    code: ClassVar[str] = "engine_failed"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class EngineUnavailable(EngineError):
    """Nothing answers, or the engine was closed."""

    code = "engine_unavailable"
    retryable = True


class EngineTimeout(EngineError):
    """No answer in time."""

    code = "engine_timeout"
    retryable = True


class EngineOutOfMemory(EngineError):
    """Not enough memory for this request."""

    code = "engine_out_of_memory"
    retryable = True


class PromptTooLong(EngineError):
    """More tokens than the model's context holds."""

    code = "prompt_too_long"


class UnsupportedLanguage(EngineError):
    """The model does not know this language."""

    code = "unsupported_language"


class WeightsError(EngineError):
    """The weights of a model are not usable."""

    code = "weights_unusable"


class WeightsMissing(WeightsError):
    """The model is not on this machine."""

    code = "weights_missing"


class WeightsCorrupt(WeightsError):
    """A file differs from its checksum."""

    code = "weights_corrupt"


class UnknownModel(WeightsError):
    """No such name in the catalogue."""

    code = "unknown_model"


class SourceFailed(WeightsError):
    """No source could deliver the weights."""

    code = "weights_source_failed"
    retryable = True


class StorageFailed(WeightsError):
    """The models directory is full or not writable."""

    code = "weights_storage_failed"


class WeightsBusy(WeightsError):
    """Another process is at work on the same model."""

    code = "weights_busy"
    retryable = True


class EngineDied(EngineError):
    """The engine's process died, or was ended for being stuck, with this request in its hands."""

    code = "engine_died"
    retryable = True

    def __init__(self, message: str, *, cause: str = "died") -> None:
        super().__init__(message)
        self.cause = cause
        """``died``, ``silent``, ``stalled`` or ``nonsense``."""


class EngineDown(EngineUnavailable):
    """The engine's process fails again and again; it is tried from time to time."""

    code = "engine_down"


class RequestPoisoned(EngineError):
    """This request ended the engine's process each time; it is asked no more."""

    code = "request_poisoned"
