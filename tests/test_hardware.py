"""What a training runs on, and with how many threads."""

import pytest
import torch

from chargen.config import ModelConfig
from chargen.errors import ConfigError, MismatchError
from chargen.training import hardware


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of eight cores, for one process."""
    monkeypatch.setattr(hardware, "cores", lambda: 8)
    monkeypatch.setattr(hardware, "local_size", lambda: 1)


def threads(hidden_size: int, wanted: int = 0) -> int:
    """How many threads are chosen."""
    return hardware.choose_threads(wanted, ModelConfig(vocab_size=9, hidden_size=hidden_size))


def test_small_networks_take_one_thread() -> None:
    """A network too small to share out takes one thread, a larger one may have as many as there are cores."""
    assert [threads(size) for size in (64, 128, 512)] == [1, 8, 8]


def test_the_threads_asked_for_are_taken() -> None:
    """A number of threads that was asked for is never second-guessed."""
    assert threads(8, wanted=3) == 3


def test_processes_of_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several processes on one machine each takes its share, and at least one thread."""
    monkeypatch.setattr(hardware, "local_size", lambda: 3)
    assert threads(512) == 2
    monkeypatch.setattr(hardware, "local_size", lambda: 9)
    assert threads(512) == 1


def test_bf16_is_refused_where_it_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor whose LSTM knows no bfloat16 is never asked for it, and what to do instead is told."""
    monkeypatch.setattr(hardware, "runs_bf16", lambda: False)
    with pytest.raises(ConfigError, match="bf16 does not run on this processor; use --precision fp32"):
        hardware.choose_precision("bf16", "cpu")
    assert hardware.choose_precision("bf16", "cuda") == "bf16"
    monkeypatch.setattr(hardware, "runs_bf16", lambda: True)
    assert hardware.choose_precision("bf16", "cpu") == "bf16"
    assert hardware.choose_precision("fp32", "cpu") == "fp32"


def test_those_who_overlap_leave_torchs_threads_as_they_were() -> None:
    """Also where the one who began first is done first, as with several threads."""
    before = torch.get_num_threads()
    first, second = hardware.tuned(before + 1), hardware.tuned(before + 2)
    first.__enter__()
    second.__enter__()
    assert torch.get_num_threads() == before + 2
    first.__exit__(None, None, None)
    assert torch.get_num_threads() == before + 2
    second.__exit__(None, None, None)
    assert torch.get_num_threads() == before


def test_more_threads_than_the_cores_can_serve_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands would take a minute to start; what a larger machine's run was begun with still goes on."""
    monkeypatch.setattr(hardware, "cores", lambda: 2)
    assert threads(64, wanted=64) == 64
    with pytest.raises(MismatchError, match="too many for the 2 cores here; --threads takes at most 64"):
        threads(64, wanted=4096)
    monkeypatch.setattr(hardware, "cores", lambda: 96)
    assert threads(64, wanted=192) == 192
