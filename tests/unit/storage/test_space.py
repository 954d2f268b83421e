"""What tenants' audio takes, and quotas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.storage.failures import QuotaExceeded
from greffier_server.storage.space import SpaceLedger, quota_of

pytestmark = pytest.mark.unit


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 50))))
def test_sums_are_the_sums(puts: list[tuple[str, str, int]]) -> None:
    ledger, plain = SpaceLedger(), dict[tuple[str, str], int]()
    for tenant, session, size in puts:
        ledger.put(tenant, session, size)
        plain[tenant, session] = size
    for tenant in "ab":
        sizes = [size for (owner, _), size in plain.items() if owner == tenant and size]
        taken = ledger.of(tenant)
        assert (taken.audio_bytes, taken.sessions) == (sum(sizes), len(sizes))
    assert ledger.total_bytes == sum(plain.values())
    assert [taken.tenant for taken in ledger.all()] == sorted(
        {tenant for (tenant, _), size in plain.items() if size}
    )


def test_a_quota_counts_what_waits_and_what_is_there() -> None:
    ledger = SpaceLedger(quota_of(100, {"big": 1_000}))
    ledger.put("small", "s", 60)
    ledger.reserve("small", 40)
    with pytest.raises(QuotaExceeded) as refused:
        ledger.reserve("small", 1)
    assert refused.value.code == "quota_exceeded"
    ledger.reserve("big", 1_000)
    ledger.free("small", 40)
    ledger.put("small", "s", 90)
    with pytest.raises(QuotaExceeded):
        ledger.reserve("small", 11)
    ledger.put("small", "s", 0)
    ledger.reserve("small", 100)
    assert SpaceLedger().of("anybody").quota_bytes is None
