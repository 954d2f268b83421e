"""Every event survives its canonical form, and the chain tells a changed byte."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.core.events import Event, Recorded
from greffier_server.core.records import (
    MalformedRecord,
    decode_record,
    encode_record,
    record_hash,
)
from tests.support.event_values import events, records
from tests.support.sessions import chain

pytestmark = pytest.mark.property


@pytest.mark.parametrize("kind", get_args(Event))
@given(data=st.data())
def test_every_event_survives(kind: type[Event], data: st.DataObject) -> None:
    event = data.draw(events(kind))
    (record,) = chain(event)
    again = decode_record(encode_record(record))
    assert again == record
    assert type(again.event) is kind
    assert encode_record(again) == encode_record(record)


@given(record=records())
def test_the_form_is_canonical(record: Recorded) -> None:
    text = encode_record(record)
    assert "\n" not in text
    assert (
        json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        == text
    )
    assert decode_record(text) == record


@given(
    said=st.lists(events(), min_size=2, max_size=5),
    data=st.data(),
)
def test_a_changed_byte_is_found(said: list[Event], data: st.DataObject) -> None:
    recorded = chain(*said)
    lines = [encode_record(record).encode() for record in recorded]
    place = data.draw(st.integers(0, len(lines) - 2))
    at = data.draw(st.integers(0, len(lines[place]) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(lines[place])
    changed[at] ^= flip
    following = recorded[place + 1].prev_hash
    try:
        text = changed.decode()
        record = decode_record(text)
        text_is_canonical = encode_record(record).encode() == bytes(changed)
    except (UnicodeDecodeError, MalformedRecord, UnicodeEncodeError):
        return
    assert not text_is_canonical or record_hash(record) != following


@given(record=records(), key=st.sampled_from(["seq", "event", "tenant", "prev_hash", "at_ms"]))
def test_a_record_that_lacks_a_field_is_malformed(record: Recorded, key: str) -> None:
    plain = json.loads(encode_record(record))
    del plain[key]
    with pytest.raises(MalformedRecord):
        decode_record(json.dumps(plain))


@given(
    record=records(),
    key=st.sampled_from(["seq", "at_ms", "audio_from_ms", "tenant", "prev_hash", "engine"]),
    value=st.sampled_from([None, [], {}, True, 1.5]),
)
def test_a_field_of_another_type_is_malformed(record: Recorded, key: str, value: object) -> None:
    plain = json.loads(encode_record(record))
    plain[key] = value
    with pytest.raises(MalformedRecord):
        decode_record(json.dumps(plain))


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"event":null}', '{"event":{"type":"Event"}}', "\ud800"]
)
def test_what_is_no_record_is_malformed(text: str) -> None:
    with pytest.raises(MalformedRecord):
        decode_record(text)


@given(text=st.text())
def test_any_text_is_a_record_or_malformed(text: str) -> None:
    with pytest.raises(MalformedRecord):
        decode_record(text)
