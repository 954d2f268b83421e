"""Policies by name."""

import pytest

from greffier_server.core.alignatt import AlignAttPolicy
from greffier_server.core.local_agreement import LocalAgreementPolicy
from greffier_server.core.policies import POLICY_NAMES, PolicyName, build_policy, default_dials
from greffier_server.core.utterance import UtterancePolicy

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("alignatt", AlignAttPolicy),
        ("local-agreement", LocalAgreementPolicy),
        ("utterance", UtterancePolicy),
    ],
)
def test_the_dials_choose_the_policy(name: PolicyName, kind: type[object]) -> None:
    policy = build_policy(default_dials(name), frame_ms=32, language="fr")
    assert type(policy) is kind
    assert policy.language == "fr"


def test_every_name_has_dials_of_its_own() -> None:
    assert len({type(default_dials(name)) for name in POLICY_NAMES}) == len(POLICY_NAMES)


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_a_followed_language_is_not_known_at_first(name: PolicyName) -> None:
    policy = build_policy(default_dials(name), frame_ms=32, expected=("fr", "en"))
    assert policy.language is None
    assert policy.paused
    assert not policy.done
