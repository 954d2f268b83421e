"""How live translation works, and which languages the loaded model can translate."""

from pydantic import BaseModel, ConfigDict

from greffier_models.catalog import CATALOG
from greffier_server.core.languages import canonical
from greffier_server.core.translation_policies import PolicyName

__all__ = ["TranslationSettings", "known_languages"]


class TranslationSettings(BaseModel):
    """Live translation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    policy: PolicyName = "clause"
    """``sentence``: each segment when it is complete; ``clause``: long ones clause by clause;
    ``agreement`` and ``mask-k``: the beginning again and again, which needs a fast model."""
    languages: tuple[str, ...] = ()
    """Languages the model translates between, as codes; when absent, those that the catalogue
    names for it, and every language for a model that is not in the catalogue."""


def known_languages(settings: TranslationSettings, model: str) -> frozenset[str]:
    """Return the languages a model translates between; empty when that is not known."""
    entry = CATALOG.get(model)
    codes = settings.languages or (entry.languages if entry is not None else ())
    return frozenset(canonical(code) or code for code in codes)
