"""The first message of a client: which glossaries a session may bring."""

from typing import Any

import pytest

from greffier.protocol import GlossaryTerm, Start
from greffier_server.errors import MalformedMessage, UnknownLanguage
from greffier_server.transport.greeting import check_start

pytestmark = pytest.mark.unit


def test_a_sessions_own_terms_may_say_everything() -> None:
    term = GlossaryTerm(
        "main courante",
        {"en": "station log"},
        variants=("MC",),
        do_not_translate=True,
        pronunciation=("maine courante",),
        language="fr",
    )
    check_start(Start(glossary=(term,)))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"variants": ("x" * 201,)}, MalformedMessage),
        ({"pronunciation": ("x" * 201,)}, MalformedMessage),
        ({"variants": tuple(str(n) for n in range(64))}, MalformedMessage),
        ({"language": "French!"}, UnknownLanguage),
    ],
)
def test_forms_out_of_range_are_refused(values: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_start(Start(glossary=(GlossaryTerm("feu", **values),)))
