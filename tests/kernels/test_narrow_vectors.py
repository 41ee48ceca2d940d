"""The kernels on processors with narrower vectors than this one's: the same tests, compiled for less."""

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

FEATURES = llvm.get_host_cpu_features()
WIDER = ("avx512", "avx10", "amx", "vaes", "vpclmulqdq", "gfni")
KERNELS = ("test_tile.py", "test_streaming.py", "test_cells.py", "test_loss.py", "test_sampling.py", "test_guards.py")

avx2 = pytest.mark.skipif(not FEATURES.get("avx2"), reason="this processor has no AVX2 to fall back to")
sse = pytest.mark.skipif("sse2" not in FEATURES, reason="only x86-64 has SSE")


def without(*families: str) -> str:
    """The processor's features but for those whose names begin so."""
    return ",".join(f"{'-' if not has or name.startswith(families) else '+'}{name}" for name, has in FEATURES.items())


@pytest.mark.long
@pytest.mark.parametrize(
    ("lanes", "features"),
    [
        pytest.param(8, without(*WIDER), marks=avx2),
        pytest.param(4, without(*WIDER, "avx", "fma", "f16c", "xop"), marks=sse),
    ],
)
def test_kernels_are_right_with_vectors_of(lanes: int, features: str, tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CPU_FEATURES": features, "NUMBA_CPU_NAME": "x86-64", "GRU_HOME": str(tmp_path)}
    width = subprocess.run(
        [sys.executable, "-c", "from grucli.kernels.microkernel import LANES, HAS_DOT; print(LANES, HAS_DOT)"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert width.stdout == f"{lanes} False\n"
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *(str(folder / name) for name in KERNELS)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
