"""The canonical form, byte for byte: stored hashes depend on it."""

import hashlib

import pytest

from greffier_server.core.events import TextWithheld
from greffier_server.core.records import GENESIS, decode_record, encode_record, record_hash
from tests.support.sessions import chain, meeting

pytestmark = pytest.mark.unit


def test_the_form_is_pinned() -> None:
    (record,) = chain(TextWithheld(1, 2, "no_voice", "é\n\u2028"))
    text = (
        '{"at_ms":1700000000010,"audio_from_ms":0,"audio_to_ms":100,'
        '"engine":"whisper-ct2/4.8.5:base@905e5bf8336b:int8,cpu",'
        '"event":{"end_ms":2,"reason":"no_voice","start_ms":1,"text":"é\\n\u2028",'
        '"type":"TextWithheld"},"prev_hash":"' + "0" * 64 + '","seq":1,"session":"s1",'
        '"tenant":"dgfip"}'
    )
    assert encode_record(record) == text
    assert record_hash(record) == hashlib.sha256(text.encode()).hexdigest()


def test_a_chain_hangs_together() -> None:
    before = GENESIS
    for record in meeting():
        assert record.prev_hash == before
        before = record_hash(record)


def test_a_field_of_a_separate_channel_is_written_where_it_says_something() -> None:
    (record,) = chain(TextWithheld(1, 2, "no_voice", "", 2))
    assert '"channel":2' in encode_record(record)
    assert decode_record(encode_record(record)) == record
