"""The kernels on processors with narrower vectors than this one's: the same tests, compiled for less."""

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

FEATURES = llvm.get_host_cpu_features()
WIDE_FEATURES = ("avx512", "avx10", "amx", "vaes", "vpclmulqdq", "gfni")
KERNEL_TESTS = (
    "test_microkernel.py",
    "test_quantized.py",
    "test_cells.py",
    "test_loss.py",
    "test_sampling.py",
    "test_out_of_bounds.py",
)

needs_avx2 = pytest.mark.skipif(not FEATURES.get("avx2"), reason="this processor has no AVX2 to fall back to")
needs_sse = pytest.mark.skipif("sse2" not in FEATURES, reason="only x86-64 has SSE")


def features_without(*families: str) -> str:
    """The processor's features but for those whose names begin so."""
    return ",".join(f"{'-' if not has or name.startswith(families) else '+'}{name}" for name, has in FEATURES.items())


@pytest.mark.long
@pytest.mark.parametrize(
    ("lanes", "features"),
    [
        pytest.param(8, features_without(*WIDE_FEATURES), marks=needs_avx2),
        pytest.param(4, features_without(*WIDE_FEATURES, "avx", "fma", "f16c", "xop"), marks=needs_sse),
    ],
)
def test_kernels_are_right_with_vectors_of(lanes: int, features: str, tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CPU_FEATURES": features, "NUMBA_CPU_NAME": "x86-64", "GRU_HOME": str(tmp_path)}
    width = subprocess.run(
        [sys.executable, "-c", "from grucli.kernels.microkernel import LANES, HAS_VNNI; print(LANES, HAS_VNNI)"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert width.stdout == f"{lanes} False\n"
    directory = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *(str(directory / name) for name in KERNEL_TESTS)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
