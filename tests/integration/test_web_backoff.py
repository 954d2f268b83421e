"""The pages' waits between two tries, run in Node: the module needs no browser."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.node import node

pytestmark = pytest.mark.integration

MODULE = (Path(__file__).parents[2] / "clients/web/greffier_web/static/js/core/backoff.js").as_uri()
WAITS = """
const { Backoff } = await import(process.argv[1]);
const waits = (chance) => {
  Math.random = () => chance;
  const backoff = new Backoff();
  return [backoff.next(5_000), backoff.next(null), backoff.next(), backoff.next(3_600_000)];
};
console.log(JSON.stringify([waits(0), waits(1)]));
"""


def test_a_server_that_tells_when_is_waited_for_and_not_by_all_at_once() -> None:
    done = subprocess.run(
        [node(), "--input-type=module", "-e", WAITS, MODULE], capture_output=True, check=True
    )
    soonest, latest = json.loads(done.stdout)
    assert soonest == [5_000, 400, 800, 60_000]
    assert latest == [7_500, 800, 1_600, 90_000]
