"""The arithmetic of the GPU model, and the laws its queue must keep."""

from dataclasses import dataclass

import pytest

from benchmarks.gpu import PUBLISHED, main, predicted_file_s
from benchmarks.gpu_cost import CPU_TWO_CORES, GPUS, WHISPERS, GpuDevice, fit_line
from benchmarks.gpu_load import Load, batch_s, most_streams, simulate

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Constant:
    """A device of a fixed time a batch, however large."""

    seconds: float
    workers: int = 1

    def encode_s(self, frames: int, batch: int) -> float:
        del frames, batch
        return self.seconds

    def decode_s(self, frames: int, tokens: int, batch: int) -> float:
        del frames, tokens, batch
        return 0.0

    def align_s(self, frames: int, tokens: int, batch: int) -> float:
        del frames, tokens, batch
        return 0.0


@pytest.mark.parametrize(
    ("size", "millions"),
    [
        ("base", 74),
        ("small", 244),
        ("medium", 769),
        ("large-v2", 1550),
        ("large-v3", 1550),
        ("large-v3-turbo", 809),
    ],
)
def test_parameters_are_those_of_the_paper_and_the_model_cards(size: str, millions: int) -> None:
    whisper = WHISPERS[size]
    total = whisper.encoder_parameters() + whisper.decoder_parameters()
    assert total / 1e6 == pytest.approx(millions, rel=0.03)


def test_the_base_encoder_at_30_s_by_hand() -> None:
    convolutions = 2 * 3 * 80 * 512 * 3000 + 2 * 3 * 512 * 512 * 1500
    dense = 6 * 2 * 1500 * (4 * 512 * 512 + 2 * 512 * 2048)
    attention = 6 * 2 * 2 * 1500 * 1500 * 512
    assert WHISPERS["base"].encoder_flops(3000) == convolutions + dense + attention
    assert WHISPERS["base"].encoder_flops(3000) == pytest.approx(87.4e9, rel=0.001)


def test_half_the_window_costs_less_than_half() -> None:
    whisper = WHISPERS["base"]
    assert whisper.encoder_flops(1500) < whisper.encoder_flops(3000) / 2
    assert whisper.encoder_flops(1500) > whisper.encoder_flops(3000) / 4


def test_a_decoder_token_costs_two_operations_a_weight_at_least() -> None:
    whisper = WHISPERS["large-v3"]
    assert whisper.token_flops(3000) == pytest.approx(
        whisper.token_weight_bytes() + 32 * 4 * 1280 * 1500
    )


@pytest.mark.parametrize(("gpu", "size", "batch", "seconds", "source"), PUBLISHED)
def test_published_times_are_met_within_two_fifths(
    gpu: str, size: str, batch: int, seconds: float, source: str
) -> None:
    del source
    assert predicted_file_s(gpu, size, batch=batch) == pytest.approx(seconds, rel=0.4)


def test_a_batch_costs_more_than_one_and_less_than_each_alone() -> None:
    device = GpuDevice(GPUS["L4"], WHISPERS["small"])
    one = device.decode_s(1500, 20, 1)
    assert one < device.decode_s(1500, 20, 8) < 8 * one


def test_measured_processor_times_are_given_back() -> None:
    both = CPU_TWO_CORES.workers
    assert CPU_TWO_CORES.encode_s(1500, 1) == pytest.approx(both * 0.059)
    assert CPU_TWO_CORES.encode_s(1350, 1) == pytest.approx(both * 0.05)
    assert CPU_TWO_CORES.encode_s(100, 1) == pytest.approx(both * 0.0145)
    assert CPU_TWO_CORES.decode_s(1500, 19, 4) == pytest.approx(both * 4 * 0.027)


def test_a_line_is_found_and_one_point_is_no_line() -> None:
    assert fit_line([(1, 5), (2, 7), (3, 9)]) == pytest.approx((3, 2))
    for points in ([], [(1.0, 1.0)], [(1.0, 1.0), (1.0, 2.0)]):
        with pytest.raises(ValueError, match="two different"):
            fit_line(points)


def test_an_idle_device_lags_by_guard_hop_and_compute() -> None:
    load = Load(hop_s=1.0, guard_s=0.7, host_s=0.0)
    lags = simulate(Constant(0.1), load, 1)
    assert lags.p50_s == pytest.approx(0.1 + 0.7 + 0.375)
    assert lags.p95_s == pytest.approx(0.1 + 0.7 + 0.875)
    assert lags.busy == pytest.approx(0.1, abs=0.02)
    assert lags.mean_batch == 1


def test_more_streams_never_lag_less() -> None:
    device = GpuDevice(GPUS["L4"], WHISPERS["medium"])
    lags = [simulate(device, Load(), streams).p95_s for streams in (1, 20, 80, 320)]
    assert lags == sorted(lags)
    assert lags[-1] > 5


def test_streams_are_what_batches_can_carry() -> None:
    load = Load(hop_s=1.0, max_batch=8, host_s=0.0)
    held = most_streams(Constant(0.5), load, bar_s=2.5)
    # Sixteen a second at the full rate; beyond it hops stretch until the bar is met.
    assert 14 <= held <= 24
    assert most_streams(Constant(10.0), load, bar_s=2.5) == 0


def test_silence_makes_room() -> None:
    device = Constant(0.5)
    talking = most_streams(device, Load(max_batch=4), bar_s=2.5)
    assert most_streams(device, Load(max_batch=4, speaking=0.4), bar_s=2.5) > talking


def test_late_hops_decode_more() -> None:
    device = GpuDevice(GPUS["L4"], WHISPERS["base"])
    assert batch_s(device, Load(), 4, new_s=4) > batch_s(device, Load(), 4, new_s=1)


def test_no_streams_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        simulate(Constant(0.1), Load(), 0)


def test_the_command_prints_assumptions_before_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gpu", "L4", "--size", "large-v3"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("nothing below was run on a GPU") < printed.index("| large-v3 | L4 |")


@pytest.mark.parametrize(
    "arguments", [["--frames", "4000"], ["--speaking", "0"], ["--gpu", "none"], ["--hop", "0"]]
)
def test_settings_out_of_range_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
