"""The verifier's own Ed25519: vectors of RFC 8032, another's signatures, and forgeries."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from greffier_server.bundle.verify import fingerprint, read_public_key, verify_signature
from tests.support.bundles import KEY

pytestmark = pytest.mark.unit

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19

# RFC 8032, section 7.1: public key, message, signature. The fourth is 1023 bytes long and left out.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
SHA_ABC = (
    "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
    "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
)


def accepted(public: bytes, signature: bytes, message: bytes) -> bool:
    """What OpenSSL says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(("public", "message", "signature"), [*VECTORS, SHA_ABC])
def test_the_vectors_of_the_rfc(public: str, message: str, signature: str) -> None:
    key, text, signed = (bytes.fromhex(each) for each in (public, message, signature))
    assert verify_signature(key, signed, text)
    assert not verify_signature(key, signed, text + b"\0")


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1023, 100_000])
def test_signatures_of_another_implementation(size: int) -> None:
    key = Ed25519PrivateKey.generate()
    message = bytes(index % 251 for index in range(size))
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert verify_signature(public, signature, message)
    assert not verify_signature(KEY.public, signature, message)


def test_no_bit_of_a_signature_may_differ() -> None:
    signature = KEY.sign(b"message")
    for bit in range(0, 512, 7):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify_signature(KEY.public, bytes(changed), b"message")


def test_a_scalar_beyond_the_order_is_refused() -> None:
    """The classic malleability: S + L satisfies the same equation."""
    signature = KEY.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little")
    for factor in (1, 2, 7):
        beyond = signature[:32] + (scalar + factor * ORDER).to_bytes(32, "little")
        assert not verify_signature(KEY.public, beyond, b"message")
        assert not accepted(KEY.public, beyond, b"message")


@pytest.mark.parametrize("size", [0, 32, 63, 65, 128])
def test_signatures_have_one_length(size: int) -> None:
    signature = (KEY.sign(b"message") * 2)[:size]
    assert not verify_signature(KEY.public, signature, b"message")


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_keys_have_one_length(size: int) -> None:
    assert not verify_signature((KEY.public * 2)[:size], KEY.sign(b"m"), b"m")


@pytest.mark.parametrize(
    "octets",
    [
        (1).to_bytes(32, "little"),  # the neutral element
        (PRIME - 1).to_bytes(32, "little"),  # order 2
        bytes(32),  # order 4
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),  # 8
    ],
)
def test_a_key_of_small_order_signs_nothing(octets: bytes) -> None:
    """With such a key, R = [S]B fits every eighth message or all of them."""
    for seed in range(16):
        base = KEY.sign(bytes([seed]))
        forged = octets + bytes(32)
        assert not verify_signature(octets, base, b"m")
        assert not verify_signature(octets, forged, bytes([seed]))


@pytest.mark.parametrize(
    "octets",
    [
        (PRIME).to_bytes(32, "little"),  # 0, written otherwise
        (PRIME + 1).to_bytes(32, "little"),
        (1 | 1 << 255).to_bytes(32, "little"),  # x = 0 with the sign of a negative
        (2).to_bytes(32, "little"),  # on no point of the curve
        b"\xff" * 32,
    ],
)
def test_a_key_that_is_no_point_is_refused(octets: bytes) -> None:
    assert not verify_signature(octets, KEY.sign(b"m"), b"m")


def test_a_public_key_is_read_from_pem() -> None:
    assert read_public_key(KEY.public_pem.decode()) == KEY.public
    assert fingerprint(KEY.public) == KEY.fingerprint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n####\n-----END PUBLIC KEY-----",
        KEY.public_pem.decode().replace("PUBLIC", "PRIVATE"),
    ],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_public_key(text)
