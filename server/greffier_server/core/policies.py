"""The streaming policies by name: what a session is recognised with is a setting."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, TypeAlias

from greffier_models.types import Word
from greffier_server.core.alignatt import FAST, AlignAttPolicy, AlignAttSettings
from greffier_server.core.local_agreement import LocalAgreementPolicy, LocalAgreementSettings
from greffier_server.core.policy import StreamingPolicy
from greffier_server.core.speech import SpeechSettings
from greffier_server.core.utterance import UtterancePolicy, UtteranceSettings

__all__ = ["POLICY_NAMES", "PolicyName", "PolicySettings", "build_policy", "default_dials"]

PolicyName: TypeAlias = Literal["alignatt", "local-agreement", "utterance"]

PolicySettings: TypeAlias = AlignAttSettings | LocalAgreementSettings | UtteranceSettings
"""The dials of a policy; their type says which one it is."""

_SERVED: Mapping[PolicyName, PolicySettings] = {
    "alignatt": AlignAttSettings(),
    "local-agreement": LocalAgreementSettings(),
    "utterance": UtteranceSettings(),
}
POLICY_NAMES: tuple[PolicyName, ...] = tuple(_SERVED)


def default_dials(name: PolicyName, *, fast: bool = False) -> PolicySettings:
    """The dials of the policy of this name as it is served.

    Args:
        name: of the policy.
        fast: words sooner, at some cost in accuracy; only AlignAtt has such dials.
    """
    return FAST if fast and name == "alignatt" else _SERVED[name]


def build_policy(
    settings: PolicySettings,
    *,
    frame_ms: int,
    language: str | None = None,
    expected: Sequence[str] = (),
    speech: SpeechSettings | None = None,
    start_ms: int = 0,
    decided_ms: int = 0,
    committed: Sequence[Word] = (),
) -> StreamingPolicy:
    """Build one session's policy.

    Args:
        settings: the dials; their type chooses the policy.
        frame_ms: what one probability of voice activity stands for.
        language: spoken; None = detected and followed.
        expected: languages likely to be spoken.
        speech: thresholds of voice activity.
        start_ms: where the audio begins on the session's clock.
        decided_ms: up to here everything was decided before a restart.
        committed: words of before the restart.
    """
    build: Callable[..., StreamingPolicy]
    match settings:
        case AlignAttSettings():
            build = partial(AlignAttPolicy, settings=settings)
        case LocalAgreementSettings():
            build = partial(LocalAgreementPolicy, settings=settings)
        case UtteranceSettings():
            build = partial(UtterancePolicy, settings=settings)
    return build(
        frame_ms=frame_ms,
        language=language,
        expected=expected,
        speech=speech,
        start_ms=start_ms,
        decided_ms=decided_ms,
        committed=committed,
    )
