"""What the processor offers, decided before NumPy is loaded. Ground floor: it imports nothing.

NumPy's OpenBLAS chooses its kernels by the processor's name, and falls back to AVX2 where it does not know the name,
as with recent AMD processors that have AVX-512: half of what they can do. The choice can only be made by the
environment, before the library is loaded. What the user has set stays.
"""

import os
import sys
from pathlib import Path

_AVX512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"}


def choose_blas_kernels() -> None:
    """Have OpenBLAS use its AVX-512 kernels on an AMD processor that has AVX-512 (Linux; elsewhere nothing is done)."""
    if "OPENBLAS_CORETYPE" in os.environ or "numpy" in sys.modules or not sys.platform.startswith("linux"):
        return
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as file:
            first = file.read(1 << 14).split("\n\n")[0]
    except OSError:
        return
    lines = (line.partition(":") for line in first.splitlines())
    words = {name.strip(): value.split() for name, _, value in lines}
    if words.get("vendor_id") == ["AuthenticAMD"] and set(words.get("flags", [])) >= _AVX512:
        os.environ["OPENBLAS_CORETYPE"] = "SKYLAKEX"
