"""System information for `gru doctor`: processor, measured speed, kernel cache, directories and settings.

Speed is measured with the GEMM kernel of training on data in the caches, so it is an upper bound: a training step also
moves memory and computes exponentials. The best of a few rounds counts, since other processes only slow a round down.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from grucli import __version__
from grucli.engine.thread_pool import ThreadPool
from grucli.errors import ModelFileError
from grucli.json_record import JsonRecord
from grucli.kernels import jit
from grucli.kernels.arrays import empty
from grucli.kernels.gemm import gemm
from grucli.kernels.microkernel import HAS_VNNI, LANES, MR, NR, num_panels, pack
from grucli.limits import cpu_quota, physical_cores
from grucli.model import packaged
from grucli.model.weights import load_weights
from grucli.paths import cache_dir, config_file, data_dir, models_dir
from grucli.settings import read_config

_ROUNDS = 3
_SECONDS_PER_ROUND = 0.1
_MEMORY_TEST_BYTES = 128 << 20  # more than most last-level caches hold
_CHUNK_FLOATS = 1 << 20  # read per call


@dataclass(frozen=True, slots=True)
class CpuInfo:
    """The processor. `target`: its name in LLVM; `has_vnni`: int8 instructions.

    `cores`: those that this process may use; `quota`: the CPU quota of its container, in processors, None without.
    """

    name: str
    target: str
    cores: int
    quota: float | None
    simd_bits: int
    has_vnni: bool


@dataclass(frozen=True, slots=True)
class KernelCacheInfo:
    """The kernel cache: its directory, None with the `problem` if disabled; is_warm: it had kernels at the start."""

    directory: Path | None
    problem: str | None
    is_warm: bool


@dataclass(frozen=True, slots=True)
class CpuBenchmark:
    """Float32 GFLOP/s on one core and on all cores; GB/s that one core reads from memory."""

    gflops_one_core: float
    gflops_all_cores: float
    memory_gb_per_second: float


@dataclass(frozen=True, slots=True)
class Directories:
    """Directories of the program, existing or not, and its configuration file."""

    data: Path
    models: Path
    cache: Path
    config: Path
    config_exists: bool


@dataclass(frozen=True, slots=True)
class PackagedModelInfo:
    """The weights file of the model that comes with the package, its size, and why it cannot be read, if so."""

    name: str
    path: Path
    bytes: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """A setting from the environment or `config.toml`, which is its `source`.

    `name` is that of the variable or key; `train.batch` is `batch` in the table `train`. `note` is the reason why the
    setting has no effect. The value of an unknown variable is None, since it may be secret and reports are shared.
    """

    name: str
    value: str | None
    source: str
    note: str | None


@dataclass(frozen=True, slots=True)
class SystemInfo(JsonRecord):
    """The system information. `versions` are those of Python, the program and its compiler.

    `packaged_model` is None if this copy of the package has none.
    """

    versions: Mapping[str, str]
    processor: CpuInfo
    kernel_cache: KernelCacheInfo
    speed: CpuBenchmark
    directories: Directories
    packaged_model: PackagedModelInfo | None
    settings: tuple[ConfigEntry, ...]


def collect_system_info(variables: Collection[str]) -> SystemInfo:
    """Collect the system information, in about a second, or more if kernels must be compiled.

    Args:
        variables: the names of the `GRU_*` variables that set an option.

    Raises:
        UsageError: `config.toml` cannot be read.
    """
    # Before the measurements, which compile kernels.
    kernel_cache = KernelCacheInfo(jit.CACHE.directory, jit.CACHE.problem, jit.CACHE.is_warm)
    processor = CpuInfo(_cpu_name(), llvm.get_host_cpu_name(), physical_cores(), cpu_quota(), 32 * LANES, HAS_VNNI)
    speed = CpuBenchmark(measure_gflops(1), measure_gflops(processor.cores), measure_memory_gb_per_second())
    directories = Directories(data_dir(), models_dir(), cache_dir(), config_file(), config_file().is_file())
    settings = active_settings(variables)
    return SystemInfo(_versions(), processor, kernel_cache, speed, directories, _packaged_model(), settings)


def measure_gflops(threads: int) -> float:
    """Return the float32 GFLOP/s of the GEMM kernel on `threads` threads."""
    N, K, M = 128 * MR, 128, 4 * NR
    gemm_calls, pool = [_make_gemm_call(N, K, M) for _ in range(threads)], ThreadPool(threads)

    def task(low: int, high: int) -> int:
        completed, end = 0, time.perf_counter() + _SECONDS_PER_ROUND
        while completed == 0 or time.perf_counter() < end:
            gemm_calls[low]()
            completed += 1
        return completed

    best = 0.0
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        num_products = sum(pool.parallel_for(threads, task))
        best = max(best, num_products * 2 * N * K * M / (time.perf_counter() - start))
    return best / 1e9


def _make_gemm_call(N: int, K: int, M: int) -> Callable[[], None]:
    a, b, out = empty(N, K), empty(K, M), empty(N, M)
    panels, edge_tile, tail_rows = empty(num_panels(M), K, NR), empty(MR, NR), empty(MR, K)
    a.fill(1)
    b.fill(1)
    pack(b, 0, M, panels)
    gemm(a, panels, out, edge_tile, tail_rows)
    return lambda: gemm(a, panels, out, edge_tile, tail_rows)


def measure_memory_gb_per_second() -> float:
    """Return the GB/s that one core reads sequentially from memory."""
    values = np.ones(_MEMORY_TEST_BYTES // 4, np.float32)
    best = 0.0
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for low in range(0, len(values), _CHUNK_FLOATS):
            values[low : low + _CHUNK_FLOATS].max()
        best = max(best, values.nbytes / (time.perf_counter() - start))
    return best / 1e9


def active_settings(variables: Collection[str]) -> tuple[ConfigEntry, ...]:
    """Return the settings of the environment and of `config.toml`.

    Args:
        variables: the names of the `GRU_*` variables that set an option.

    Raises:
        UsageError: `config.toml` cannot be read.
    """
    entries = []
    # Empty variables are ignored, as by the options.
    env_vars = {name: value for name, value in sorted(os.environ.items()) if name.startswith("GRU_") and value}
    for name, value in env_vars.items():
        if name == "GRU_HOME" or name in variables:
            entries.append(ConfigEntry(name, value, "environment", None))
        else:
            entries.append(ConfigEntry(name, None, "environment", "no option has this name"))
    for name, key, entry in _entries(read_config(config_file())):
        env_name = "GRU_" + key.replace("-", "_").upper()
        note = f"overridden by {env_name}" if env_name in env_vars else None
        entries.append(ConfigEntry(name, str(entry), "config.toml", note))
    return tuple(entries)


def _entries(config: Mapping[str, Any]) -> list[tuple[str, str, object]]:
    # (name with table, name, value) of each entry of `config.toml`.
    top = [(key, key, value) for key, value in config.items() if not isinstance(value, dict)]
    tables = [(name, table) for name, table in config.items() if isinstance(table, dict)]
    return top + [(f"{name}.{key}", key, value) for name, table in tables for key, value in table.items()]


def _packaged_model() -> PackagedModelInfo | None:
    path = packaged.path()
    if path is None:
        return None
    try:
        load_weights(path)
        problem = None
    except (ModelFileError, OSError) as error:
        problem = str(error)
    return PackagedModelInfo(packaged.NAME, path, path.stat().st_size, problem)


def _versions() -> dict[str, str]:
    return {
        "grucli": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": version("numba"),
        "llvmlite": version("llvmlite"),
    }


def _cpu_name() -> str:
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"
