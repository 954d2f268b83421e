"""What the server says of its engines: whether they are ready, and which models they run."""

from greffier_server.loading import LoadedEngines
from greffier_server.recognisers import down_reason
from greffier_server.services import ModelDescription, Readiness

__all__ = ["descriptions", "readiness"]


def readiness(loaded: LoadedEngines) -> Readiness:
    """Whether sessions can begin; captions alone can where the language model failed."""
    if loaded.language_model == "loading":
        return Readiness(ready=False, reason="The language model is being loaded.")
    if reason := down_reason(loaded.devices):
        return Readiness(ready=False, reason=reason, resumable=True)
    return Readiness(ready=True, reason=loaded.problem)


def descriptions(loaded: LoadedEngines) -> list[ModelDescription]:
    """The models that run, each with its role and state."""
    recognizer = loaded.engines.recognizer
    identity = recognizer.identity
    described = [
        ModelDescription(
            name=identity.model,
            role="recognition",
            state="failed" if down_reason(loaded.devices) else "loaded",
            engine=identity.engine,
            digest=identity.digest,
            settings=identity.settings,
            languages=tuple(sorted(recognizer.languages)),
        )
    ]
    if loaded.engines.voices is not None:
        voices = loaded.engines.voices.identity
        described.append(
            ModelDescription(
                name=voices.model,
                role="speakers",
                state="loaded",
                engine=voices.engine,
                digest=voices.digest,
                settings=voices.settings,
            )
        )
    if loaded.engines.generator is not None:
        language = loaded.identities["language"]
        described.append(
            ModelDescription(
                name=language.model,
                role="language",
                state=loaded.language_model,
                engine=language.engine,
                digest=language.digest,
                settings=language.settings,
            )
        )
    return described
