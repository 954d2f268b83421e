import pytest

from greffier.codec import MAX_TEXT_BYTES, UnknownMessage, decode_client, decode_server, encode
from greffier.errors import MalformedFrame
from greffier.protocol import Ack, Finish, Start

pytestmark = pytest.mark.unit


def test_type_is_the_class_in_snake_case() -> None:
    assert encode(Ack(320)) == '{"type":"ack","samples":320}'
    assert encode(Finish()) == '{"type":"finish"}'


def test_missing_fields_take_their_defaults_and_unknown_ones_are_ignored() -> None:
    assert decode_client('{"type":"start","language":"fr","tomorrow":1}') == Start(language="fr")


def test_a_type_of_the_other_side_is_unknown() -> None:
    assert decode_server('{"type":"start"}') == UnknownMessage("start")
    assert decode_client('{"type":"ack","samples":1}') == UnknownMessage("ack")


def test_an_unknown_type_is_a_value_of_bounded_length() -> None:
    assert decode_server('{"type":"%s"}' % ("x" * 1000)) == UnknownMessage("x" * 64)


def test_a_server_refuses_a_repeated_key() -> None:
    with pytest.raises(MalformedFrame, match="twice"):
        decode_client('{"type":"watch","session":"a","session":"b"}')
    with pytest.raises(MalformedFrame, match="twice"):
        decode_client('{"type":"start","format":{"rate":8000,"rate":16000}}')


def test_a_repeated_key_takes_its_last_value() -> None:
    assert decode_server('{"type":"ack","samples":1,"samples":2}') == Ack(2)


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("{}", "type"),
        ('{"type":null}', "type"),
        ('{"type":"ack"}', "ack.samples: is missing"),
        ('{"type":"ack","samples":"many"}', "ack.samples"),
        ('{"type":"ack","samples":true}', "ack.samples"),
        ('{"type":"ack","samples":1.0}', "ack.samples"),
        ('{"type":"ack","samples":NaN}', "NaN"),
        ('{"type":"ack","samples":-Infinity}', "-Infinity"),
        ('{"type":"ack","samples":1e999}', "out of range"),
        ('{"type":"ack","samples":1000000000000000000}', "out of range"),
        ('{"type":"ack","samples":' + "9" * 5000 + "}", "out of range"),
        ('{"type":"quality","seq":1,"level":"best"}', "quality.level: must be one of"),
        ('{"type":"error","code":"a","message":"\\ud800"}', "half a character"),
        ('{"type":"error","code":"a","message":"\ud800"}', "half a character"),
        ('{"type":"ack","samples":' + "[" * 100_000 + "]" * 100_000 + "}", "nested"),
        ('{"type":"' + "x" * MAX_TEXT_BYTES + '"}', "longer"),
        ('{"type":"' + "é" * (MAX_TEXT_BYTES // 2) + '"}', "longer"),
        (b"\xff", "UTF-8"),
    ],
)
def test_what_does_not_fit_is_malformed_and_says_where(frame: str | bytes, complaint: str) -> None:
    with pytest.raises(MalformedFrame, match=complaint):
        decode_server(frame)


def test_a_complaint_never_repeats_what_was_sent() -> None:
    with pytest.raises(MalformedFrame) as caught:
        decode_server('{"type":"caption","seq":"secret words"}')
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_surrogate_pair_is_a_character() -> None:
    assert decode_client('{"type":"start","title":"\\ud83d\\ude00"}') == Start(title="😀")


def test_what_cannot_be_written_is_not_sent() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        encode(Start(title="\ud800"))
