"""Who is to blame when an engine dies with several requests in its hands."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.suspects import Casualties

pytestmark = pytest.mark.unit


def casualties(gone: set[str] | None = None) -> Casualties[str]:
    return Casualties(cancelled=lambda name: name in (gone or set()))


def sent(queue: Casualties[str], *, idle: bool = True) -> tuple[Sequence[str], bool] | None:
    retry = queue.next(idle=idle)
    return None if retry is None else (retry.batch, retry.alone)


def test_after_one_death_everything_goes_again_in_order_and_together() -> None:
    queue = casualties()
    queue.fell(["a", "b"])
    queue.fell(["c"])
    assert queue.judge() is None
    assert len(queue) == 3
    assert [sent(queue, idle=False) for _ in range(3)] == [
        (["a", "b"], False),
        (["c"], False),
        None,
    ]


def test_after_two_deaths_each_is_asked_alone() -> None:
    queue = casualties()
    for _ in range(2):
        queue.fell(["a", "b"])
        assert queue.judge() is None
        while sent(queue, idle=True):
            pass
    queue.fell(["a", "b"])
    queue.judge()
    assert sent(queue, idle=False) is None, "not beside others"
    assert sent(queue) == (["a"], True)
    queue.fell(["a"])
    assert queue.judge() == "a"
    queue.ended(["a"])
    assert sent(queue) == (["b"], True)


def test_one_that_was_alone_twice_is_guilty() -> None:
    queue = casualties()
    queue.fell(["a"])
    assert queue.judge() is None
    assert sent(queue) == (["a"], False)
    queue.fell(["a"])
    assert queue.judge() == "a"
    assert len(queue) == 0


def test_an_answer_clears_a_request() -> None:
    queue = casualties()
    queue.fell(["a"])
    queue.judge()
    sent(queue)
    queue.ended(["a"])
    queue.fell(["a"])
    assert queue.judge() is None


def test_what_nobody_waits_for_is_not_sent() -> None:
    gone: set[str] = set()
    queue = casualties(gone)
    queue.fell(["a", "b"])
    queue.fell(["c"])
    queue.judge()
    gone |= {"a", "c"}
    assert sent(queue) == (["b"], False)
    assert sent(queue) is None
    assert len(queue) == 0


def test_clear_takes_what_fell_and_what_was_to_go_again() -> None:
    queue = casualties()
    queue.part(["a", "b"])
    queue.fell(["c"])
    assert sorted(queue.clear()) == ["a", "b", "c"]
    assert sent(queue) is None


@given(st.integers(1, 9), st.data())
def test_exactly_the_guilty_are_blamed_and_deaths_are_few(count: int, data: st.DataObject) -> None:
    names = [f"r{n}" for n in range(count)]
    deadly = set(data.draw(st.lists(st.sampled_from(names), unique=True)))
    queue, answered, blamed, deaths = casualties(), set[str](), set[str](), 0
    queue.part([])
    hands = [names[at : at + 3] for at in range(0, count, 3)]
    while hands:
        if deadly & {name for batch in hands for name in batch}:
            deaths += 1
            for batch in hands:
                queue.fell(batch)
            guilty = queue.judge()
            if guilty is not None:
                queue.ended([guilty])
                blamed.add(guilty)
        else:
            for batch in hands:
                queue.ended(batch)
                answered.update(batch)
        hands = list[list[str]]()
        while (retry := queue.next(idle=not hands)) is not None:
            hands = [*hands, list(retry.batch)]
            if retry.alone:
                break
    assert blamed == deadly
    assert answered == set(names) - deadly
    assert deaths <= 2 + len(deadly)
