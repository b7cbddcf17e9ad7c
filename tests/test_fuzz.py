"""Thousands of damaged checkpoints: an error, or a load that is right, in bounded time and memory.

``CHARGEN_FUZZ=10000`` tries ten thousand, the full proof; without it a few hundred. They are loaded in a process of
their own without torch, whose peak memory is theirs.
"""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest
from damage import DAMAGE, EDGES, Random, spoil
from samples import assert_equal, put_together, taken_apart, with_digests

from chargen.errors import CheckpointError
from chargen.inference.generate import collect
from chargen.model import Model
from chargen.store.checkpoint import Checkpoint, load, save

ROUNDS: Final = int(os.environ.get("CHARGEN_FUZZ", "300"))
SECONDS: Final = 2.0
MEGABYTES: Final = 500


def resize(source: Random, data: bytearray) -> bytes:
    """Another size of the header."""
    size = int.from_bytes(data[:8], "little")
    value = source.choice([*EDGES, size + 8, size - 8, size + 1, len(data) - 8, len(data)])
    data[:8] = (value & (1 << 64) - 1).to_bytes(8, "little")
    return bytes(data)


def header(source: Random, data: bytearray) -> bytes:
    """One value of the header's own JSON replaced: a type, a shape, an offset, a name."""
    size = int.from_bytes(data[:8], "little")
    content = json.loads(data[8 : 8 + size])
    spoil(source, content)
    text = json.dumps(content, allow_nan=True).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(8, "little") + text + bytes(data[8 + size :])


BYTES: Final = [*DAMAGE, resize, header]
"""Damage that the checksums must tell, or that changes nothing."""


def forge(source: Random, path: Path, whole: Path) -> None:
    """A file whose checksums are right though its settings or tensors are not."""
    document, tensors = taken_apart(whole)
    tensors = {name: tensor.copy() for name, tensor in tensors.items()}
    if source.random() < 0.3:
        name = source.choice(list(tensors))
        tensor = tensors[name]
        match source.randrange(5):
            case 0:
                del tensors[name]
            case 1:
                tensors[name + "x"] = tensor
            case 2:
                tensors[name] = tensor.reshape(source.choice([(-1,), (1, *tensor.shape), tensor.shape[::-1]]))
            case 3:
                tensors[name] = tensor.astype(source.choice(["f2", "f8", "i4", "u1", "?"]))
            case 4:
                tensor.reshape(-1)[source.randrange(tensor.size)] = source.choice([float("nan"), float("inf"), 1e38])
        document = with_digests(document, tensors)
    for _ in range(source.randint(0, 3)):
        spoil(source, document)
    put_together(path, document, tensors)


def use(found: Checkpoint, folder: Path) -> None:
    """Do with a checkpoint what the commands do with it."""
    from chargen.cli.inspect import _everything, _show

    if not found.model.bidirectional:
        model = Model(found, folder)
        assert len(collect(model.pieces("Alice", length=3, seed=1))[0].text) == 3
    json.dumps(_everything(found), allow_nan=False)
    with contextlib.redirect_stdout(io.StringIO()):
        _show("file", found)
    save(folder / "again", found)
    assert_equal(load(folder / "again", with_state=True), found)


def fuzz(whole: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """Load ``rounds`` damaged copies of the checkpoint ``whole``.

    Returns:
        How many were refused, equal to the original, and other but consistent; the slowest load in seconds of
        processor time, and the process's peak memory in megabytes.
    """
    source = random.Random(2)  # noqa: S311  # damage, not secrets
    original, data, damaged = load(whole, with_state=True), whole.read_bytes(), folder / "damaged"
    counts = {"refused": 0, "equal": 0, "consistent": 0}
    slowest = 0.0
    for _ in range(rounds):
        forged = source.random() < 0.4
        if forged:
            forge(source, damaged, whole)
        else:
            damaged.write_bytes(source.choice(BYTES)(source, bytearray(data)))
        began = time.process_time()
        try:
            found = load(damaged, with_state=True)
        except CheckpointError:
            counts["refused"] += 1
            continue
        finally:
            slowest = max(slowest, time.process_time() - began)
        if not forged:
            assert_equal(found, original)  # nothing was changed without being noticed
            counts["equal"] += 1
        else:
            use(found, folder)
            counts["consistent"] += 1
    return {**counts, "slowest": slowest, "megabytes": peak_megabytes()}


def peak_megabytes() -> float | None:
    """The most memory that this process has held, None where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return None
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


@pytest.mark.parametrize("name", ["last", "best"])
def test_no_damage_goes_unnoticed(name: str, trained: Path, tmp_path: Path) -> None:
    """Cut, flipped, overwritten, shifted, or forged with right checksums: refused, or loaded and consistent."""
    whole = trained / f"{name}.safetensors"
    done = subprocess.run(
        [sys.executable, __file__, str(whole), str(tmp_path), str(ROUNDS // 2)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60 + ROUNDS * SECONDS,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    print(name, found)  # noqa: T201  # seen with -s
    assert sum(found[key] for key in ("refused", "equal", "consistent")) == ROUNDS // 2
    assert found["refused"] > ROUNDS // 4
    assert found["consistent"] > 0
    assert (found["megabytes"] or 0) < MEGABYTES
    if "CHARGEN_FUZZ" in os.environ:
        assert found["slowest"] < SECONDS


if __name__ == "__main__":
    result = fuzz(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    assert "torch" not in sys.modules
    print(json.dumps(result))  # noqa: T201  # what the test reads
