"""The one thing that must be decided before NumPy is loaded."""

import os
import subprocess
import sys

import pytest

ASK = (
    "import os; from grucli.processor import choose_blas_kernels as c; c(); print(os.environ.get('OPENBLAS_CORETYPE'))"
)


def answer(program: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=kept | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_what_the_user_set_stays() -> None:
    assert answer(ASK, OPENBLAS_CORETYPE="Prescott") == "Prescott"


def test_it_is_too_late_once_numpy_is_there() -> None:
    assert answer("import numpy; " + ASK) == "None"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the processor is only asked about on Linux")
def test_only_a_processor_that_has_the_instructions_is_told_to_use_them() -> None:
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - as plain as it gets
        about = file.read()
    capable = "AuthenticAMD" in about and "avx512f" in about and "avx512vl" in about
    assert answer(ASK) == ("SKYLAKEX" if capable else "None")
