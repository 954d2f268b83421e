"""What holds for every test: one category a module, a clean environment, guards around each run."""

import asyncio
import inspect
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.blocking import blocking_calls_refused
from tests.support.network import LoopbackOnly
from tests.support.scenes import Scene, load_scenes
from tests.support.tasks import guarded, no_slow_callbacks
from tests.support.virtual_time import VirtualTimeLoop

CATEGORIES = frozenset({"unit", "property", "integration", "models", "e2e"})
NO_SKIPS = "GREFFIER_TESTS_NO_SKIPS"
"""Environment variable of CI: what cannot run there fails."""
MAY_BE_MISSING = ("the gpu extra", "livekit-agents", "mounting a file system")
"""Of reasons for a skip that even CI may have: heavy extras, rights that only root has."""
QUICK = frozenset({"unit", "property", "integration"})
"""Categories in which a slow callback fails the test; elsewhere real models warm up."""

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
settings.register_profile(
    "nightly", max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

loopback_only = LoopbackOnly()
skipped = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Choose the Hypothesis profile, register our marker, shut the network."""
    config.addinivalue_line("markers", "virtual_time: the loop's clock jumps to the next timer")
    if not config.getoption("--hypothesis-profile", default=None):
        settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
    loopback_only.install()
    config.stash[skipped] = []
    config.pluginmanager.register(SkipsRefused(config), "skips-refused")


class SkipsRefused:
    """Ends the run as failed when a test was skipped that CI must run."""

    def __init__(self, config: pytest.Config) -> None:
        self._skipped = config.stash[skipped]
        self._refused = bool(os.environ.get(NO_SKIPS))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what was skipped, and why."""
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = str(report.longrepr)
            if not any(missing in reason for missing in MAY_BE_MISSING):
                self._skipped.append(f"{report.nodeid}: {reason}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn skips into a failure."""
        if self._refused and self._skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which."""
        if self._refused and self._skipped:
            terminalreporter.section("skipped, which fails here")
            for line in self._skipped:
                terminalreporter.line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse modules that do not say which one category they belong to."""
    wrong = sorted(
        {
            f"{item.path}: {', '.join(sorted(found)) or 'none'}"
            for item in items
            if len(found := CATEGORIES & {mark.name for mark in item.iter_markers()}) != 1
        }
    )
    if wrong:
        raise pytest.UsageError(
            "every test module needs exactly one pytestmark of "
            f"{', '.join(sorted(CATEGORIES))}:\n  " + "\n  ".join(wrong)
        )


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give tests marked ``virtual_time`` their loop."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    return {"real": asyncio.new_event_loop}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Put the guards around async tests."""
    if not isinstance(item, pytest.Function):
        return (yield)
    by_hypothesis = getattr(item.obj, "hypothesis", None)
    owner, name = (by_hypothesis, "inner_test") if by_hypothesis else (item, "obj")
    test = getattr(owner, name)
    if not inspect.iscoroutinefunction(test):
        return (yield)
    quick = bool(QUICK & {mark.name for mark in item.iter_markers()})
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(owner, name, guarded(test, debug=quick))
        if quick:
            stack.enter_context(no_slow_callbacks())
        stack.enter_context(blocking_calls_refused())
        return (yield)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Settings of the person who runs the tests must not leak in; where models lie may."""
    for name in list(os.environ):
        if name.startswith("GREFFIER_") and name != "GREFFIER_MODELS_DIR":
            monkeypatch.delenv(name)


@pytest.fixture
def open_network() -> Iterator[None]:
    """Let outside addresses through to the product's own guard, which the test is about."""
    with loopback_only.off():
        yield


@pytest.fixture(scope="session")
def scenes() -> dict[str, Scene]:
    """The recordings of tests/data/scenes by name."""
    return load_scenes()
