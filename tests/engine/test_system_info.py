"""The facts about a machine: all there, of the kind they claim to be, and settings with where they came from."""

import math
import os
import platform
from pathlib import Path

import numpy as np
import pytest

from grucli import __version__
from grucli.engine import system_info
from grucli.engine.system_info import ConfigEntry, active_settings, collect_system_info, measure_gflops
from grucli.errors import UsageError
from grucli.kernels import jit
from grucli.kernels.microkernel import HAS_VNNI, LANES
from grucli.limits import cpu_quota, physical_cores

OPTION_VARIABLES = {"GRU_TEMP", "GRU_TOP_K", "GRU_BATCH"}


@pytest.fixture(autouse=True)
def fast_benchmarks(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_info, "_SECONDS_PER_ROUND", 0.001)
    monkeypatch.setattr(system_info, "_MEMORY_TEST_BYTES", 1 << 20)


def write_config(home: Path, text: str) -> None:
    home.mkdir()
    (home / "config.toml").write_text(text)


def test_every_fact_is_there(home: Path) -> None:
    result = collect_system_info(OPTION_VARIABLES)
    assert result.processor.name
    assert result.processor.target
    assert (result.processor.cores, result.processor.quota) == (physical_cores(), cpu_quota())
    assert (result.processor.simd_bits, result.processor.has_vnni) == (32 * LANES, HAS_VNNI)
    speed = result.speed
    for figure in (speed.gflops_one_core, speed.gflops_all_cores, speed.memory_gb_per_second):
        assert math.isfinite(figure)
        assert figure > 0
    assert list(result.versions) == ["grucli", "python", "numpy", "numba", "llvmlite"]
    assert result.versions["grucli"] == __version__
    assert result.versions["python"] == platform.python_version()
    assert result.versions["numpy"] == np.__version__


def test_places_follow_the_home(home: Path) -> None:
    places = collect_system_info(OPTION_VARIABLES).directories
    assert (places.data, places.models, places.cache) == (home, home / "models", home / "cache")
    assert (places.config, places.config_exists) == (home / "config.toml", False)
    assert not home.exists()
    write_config(home, "")
    assert collect_system_info(OPTION_VARIABLES).directories.config_exists


def test_the_cache_is_told_as_it_was_before_measuring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def compile_one(threads: int) -> float:
        (tmp_path / "kernel.nbi").write_bytes(b"x")
        return 1.0

    monkeypatch.setattr(jit, "CACHE", jit.KernelCache(tmp_path, None))
    monkeypatch.setattr(system_info, "measure_gflops", compile_one)
    assert collect_system_info(OPTION_VARIABLES).kernel_cache == system_info.KernelCacheInfo(
        tmp_path, None, is_warm=False
    )
    assert collect_system_info(OPTION_VARIABLES).kernel_cache == system_info.KernelCacheInfo(
        tmp_path, None, is_warm=True
    )


def test_a_cache_that_is_none_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "CACHE", jit.KernelCache(None, "others may write to it"))
    assert collect_system_info(OPTION_VARIABLES).kernel_cache == system_info.KernelCacheInfo(
        None, "others may write to it", is_warm=False
    )


def test_more_threads_than_cores_multiply_too() -> None:
    assert measure_gflops(physical_cores() + 1) > 0


def test_the_processor_has_a_name_where_the_system_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr("subprocess.run", refuse)
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert system_info._cpu_name() == platform.machine()


def test_settings_come_with_their_source(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_TEMP", "0.5")
    write_config(home, "top_k = 3\n[train]\nbatch = 64\n")
    assert active_settings(OPTION_VARIABLES) == (
        ConfigEntry("GRU_HOME", str(home), "environment", None),
        ConfigEntry("GRU_TEMP", "0.5", "environment", None),
        *unknown_entries(),
        ConfigEntry("top_k", "3", "config.toml", None),
        ConfigEntry("train.batch", "64", "config.toml", None),
    )


def unknown_entries() -> list[ConfigEntry]:
    """What the tests' own variable comes to, where it is set."""
    note = "no option has this name"
    return [ConfigEntry(name, None, "environment", note) for name in ("GRU_TEST_DATA",) if os.environ.get(name)]


@pytest.mark.parametrize("key", ["top-k", "top_k"])
def test_an_entry_that_a_variable_goes_before_says_so(home: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("GRU_TOP_K", "5")
    write_config(home, f"[sample]\n{key} = 3\n")
    assert active_settings(OPTION_VARIABLES)[-1] == ConfigEntry(
        f"sample.{key}", "3", "config.toml", "overridden by GRU_TOP_K"
    )


def test_the_value_of_a_variable_that_nothing_reads_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_PASSWORD", "hunter2")
    result = active_settings(OPTION_VARIABLES)
    assert ConfigEntry("GRU_PASSWORD", None, "environment", "no option has this name") in result
    assert "hunter2" not in repr(result)


def test_an_empty_variable_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_TEMP", "")
    monkeypatch.setenv("GRU_TOP_K", "")
    write_config(home, "top-k = 3")
    names = {setting.name: setting.note for setting in active_settings(OPTION_VARIABLES)}
    assert "GRU_TEMP" not in names
    assert names["top-k"] is None


def test_settings_that_are_no_toml(home: Path) -> None:
    write_config(home, "top-k =")
    with pytest.raises(UsageError, match="not valid TOML"):
        collect_system_info(OPTION_VARIABLES)
