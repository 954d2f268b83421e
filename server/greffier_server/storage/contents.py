"""What stands between audio and the blocks of a segment: coding and encryption, both ways."""

from collections.abc import Sequence

from greffier_server.storage import codecs
from greffier_server.storage.cipher import AudioCipher, Undecipherable
from greffier_server.storage.keys import TenantKey
from greffier_server.storage.segments import (
    Block,
    Segment,
    associated,
    encode_block,
    encode_coded_block,
    salt_of,
    scan,
)

__all__ = ["BlockWriter", "SegmentReader"]


class BlockWriter:
    """Writes blocks of one segment.

    Args:
        tenant: owner.
        session: id.
        number: of the segment.
        cipher: of the session.
    """

    def __init__(self, tenant: str, session: str, number: int, cipher: AudioCipher) -> None:
        self._tenant, self._session, self._number = tenant, session, number
        self._salt = salt_of(tenant, session, number)
        self._cipher = cipher

    def blocks(
        self, pieces: Sequence[memoryview], *, offset: int, synced: int, key: TenantKey | None
    ) -> bytes:
        """Return `pieces` as they are recorded, the first one at `offset`."""
        encoded = bytearray()
        for piece in pieces:
            if key is None:
                encoded += encode_block(piece, offset=offset, synced=synced, salt=self._salt)
            else:
                encoded += self.coded(
                    bytes(piece), codecs.RAW, offset=offset, synced=synced, key=key
                )
            offset += len(piece)
        return bytes(encoded)

    def coded(
        self, audio: bytes, codec: int, *, offset: int, synced: int, key: TenantKey | None
    ) -> bytes:
        """Return one block, coded where that saves space and encrypted where there is a key."""
        codec, content = codecs.encode(audio, codec)
        block = Block(
            offset=offset,
            length=len(audio),
            synced=synced,
            audio_at=0,
            stored=0,
            codec=codec,
            encrypted=key is not None,
        )
        if key is not None:
            bound_to = associated(
                block, tenant=self._tenant, session=self._session, number=self._number
            )
            content = self._cipher.seal(key, content, bound_to)
        return encode_coded_block(content, block, salt=self._salt)


class SegmentReader:
    """Reads segments of one session.

    Args:
        tenant: owner.
        session: id.
        cipher: of the session.
    """

    def __init__(self, tenant: str, session: str, cipher: AudioCipher) -> None:
        self._tenant = tenant
        self._session = session
        self._cipher = cipher

    def scan(self, number: int, content: bytes) -> Segment:
        """Find the true blocks of a segment; never raises, and needs no key."""
        return scan(content, tenant=self._tenant, session=self._session, number=number)

    def audio(self, content: bytes, block: Block, segment: Segment, number: int) -> bytes | None:
        """Return a block's audio; None where it is not what was written here (damage).

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong: it cannot be decrypted at all.
            OSError: the key cannot be read.
        """
        stored = content[block.audio_at : block.end_at]
        try:
            if block.encrypted:
                key_id = None if segment.header is None else segment.header.key_id
                bound_to = associated(
                    block, tenant=self._tenant, session=self._session, number=number
                )
                stored = self._cipher.open(self._cipher.candidates(key_id), stored, bound_to)
            return codecs.decode(stored, block.codec, length=block.length)
        except (Undecipherable, ValueError):
            return None
