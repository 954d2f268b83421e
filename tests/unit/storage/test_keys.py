"""Keys: made, wrapped, found, rotated, destroyed, and refused."""

import json
import random
from contextlib import suppress
from pathlib import Path

import pytest

from greffier_server.errors import BadRequest, SettingsInvalid
from greffier_server.storage.failures import EncryptionKeyMissing, EncryptionKeyWrong
from greffier_server.storage.keys import KeyRing, MasterKey, new_master_key, read_master_key
from tests.support.simulated_fs import PowerCut, SimulatedDisk

pytestmark = pytest.mark.unit

FOLDER = Path("/keys")
MASTER, OTHER = (read_master_key(new_master_key()) for _ in range(2))


def ring(disk: SimulatedDisk, master: MasterKey = MASTER) -> KeyRing:
    return KeyRing(FOLDER, master, files=disk)


def only_file(disk: SimulatedDisk) -> Path:
    (path,) = disk.files()
    return path


def test_a_key_is_made_once_and_found_by_the_next_start() -> None:
    disk = SimulatedDisk()
    key = ring(disk).current("dgfip")
    again = ring(disk.restart())
    assert again.current("dgfip") == key
    assert again.get("dgfip", key.id) == key
    assert again.current("other").secret != key.secret
    assert {path.parent.name for path in disk.restart().files()} == {"dgfip"}


def test_neither_secret_is_in_any_file_nor_shown() -> None:
    disk = SimulatedDisk()
    key = ring(disk).current("dgfip")
    content = disk.read(only_file(disk))
    for secret in (key.secret, MASTER.secret):
        assert secret not in content
        assert secret.hex() not in content.decode()
        assert repr(secret) not in repr((key, MASTER))


@pytest.mark.parametrize("text", ["", "no base64!", "c2hvcnQ=", "é", "Rj7YopGF64jd5S53aKgpS9ac"])
def test_what_is_no_master_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read_master_key(text)
    assert not text or text not in refused.value.message


def test_another_master_key_opens_nothing_and_makes_nothing() -> None:
    disk = SimulatedDisk()
    key = ring(disk).current("dgfip")
    files, calls = disk.files(), disk.calls
    wrong = ring(disk, OTHER)
    for use in (
        lambda: wrong.current("dgfip"),
        lambda: wrong.current("another"),
        lambda: wrong.get("dgfip", key.id),
        lambda: wrong.all("dgfip"),
        lambda: wrong.rotate(OTHER),
    ):
        with pytest.raises(EncryptionKeyWrong):
            use()
    assert (disk.files(), disk.calls) == (files, calls)


def test_a_key_that_is_not_there_is_missing() -> None:
    disk = SimulatedDisk()
    held = ring(disk)
    key = held.current("dgfip")
    for use in (lambda: held.all("nobody"), lambda: held.get("dgfip", bytes(8))):
        with pytest.raises(EncryptionKeyMissing):
            use()
    assert ring(disk).destroy("dgfip") == 1  # by another process
    with pytest.raises(EncryptionKeyMissing):
        held.get("dgfip", key.id)
    assert held.current("dgfip").secret != key.secret
    assert held.destroy("dgfip") == 1
    assert held.destroy("dgfip") == 0
    assert disk.files() == []


def test_two_keys_side_by_side_the_newest_encrypts() -> None:
    disk, lost = SimulatedDisk(), SimulatedDisk()
    old = ring(lost).current("dgfip")
    new = ring(disk).current("dgfip")
    entry = json.loads(lost.read(only_file(lost)))
    path = FOLDER / "dgfip" / f"{old.id.hex()}.key"
    entry["created_at_ms"] -= 1
    disk.create(path).write(json.dumps(entry).encode())
    with pytest.raises(EncryptionKeyWrong):  # its age is bound to it
        ring(disk).all("dgfip")
    disk.unlink(path)
    disk.create(path).write(lost.read(only_file(lost)))
    both = ring(disk).all("dgfip")
    assert {key.id for key in both} == {old.id, new.id}
    assert ring(disk).get("dgfip", old.id) == old


@pytest.mark.parametrize("name", ["..", "a/b", "", "x" * 65])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    held = ring(SimulatedDisk())
    for use in (held.current, held.all, held.destroy):
        with pytest.raises(BadRequest):
            use(name)


def test_every_flipped_byte_of_a_key_file_is_noticed() -> None:
    disk = SimulatedDisk()
    key = ring(disk).current("dgfip")
    path = only_file(disk)
    for byte in range(disk.size(path)):
        disk.flip(path, byte * 8)
        with suppress(EncryptionKeyWrong):
            assert ring(disk).all("dgfip") == [key]  # white space of the file
        disk.flip(path, byte * 8)
    assert ring(disk).all("dgfip") == [key]


def test_rotation_cut_short_at_any_call_goes_on() -> None:
    tenants = ["a", "b", "c"]
    call = 0
    while True:
        disk = SimulatedDisk(chance=random.Random(call))
        keys = [ring(disk).current(tenant) for tenant in tenants]
        disk.faults = {disk.calls + call: "power"}
        try:
            ring(disk).rotate(OTHER)
        except PowerCut:
            pass
        else:
            assert call > 3 * len(tenants)
            break
        after = disk.restart()
        ring(after).rotate(OTHER)
        assert [ring(after, OTHER).current(tenant) for tenant in tenants] == keys
        assert ring(after, OTHER).rotate(OTHER) == 0
        with pytest.raises(EncryptionKeyWrong):
            ring(after).current("a")
        call += 1
