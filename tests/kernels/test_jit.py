"""Where machine code is kept, where it is not, and that each kernel is compiled for one signature."""

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from grucli.kernels import jit

posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")


@posix
def test_the_cache_is_the_user_s_alone(home: Path) -> None:
    cache = jit._open_cache()
    assert cache.problem is None
    assert cache.directory is not None
    assert not cache.is_warm
    assert stat.S_IMODE(cache.directory.stat().st_mode) == 0o700
    assert cache.directory.is_relative_to(home)


@posix
@pytest.mark.parametrize("which", ["parent", "folder"])
def test_nothing_is_cached_where_others_could_write(home: Path, which: str) -> None:
    directory = jit._open_cache().directory
    assert directory is not None
    (directory if which == "folder" else directory.parent).chmod(0o777)
    cache = jit._open_cache()
    assert cache.directory is None
    assert cache.problem is not None
    assert "writable by other users" in cache.problem


@posix
def test_a_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    directory = jit._open_cache().directory
    assert directory is not None
    directory.rmdir()
    directory.symlink_to(tmp_path)
    assert jit._open_cache().directory is None


def test_a_file_in_the_way_is_a_reason(home: Path) -> None:
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "kernels").write_text("in the way")
    assert jit._open_cache().problem is not None


def test_a_full_disk_is_a_reason(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(Path())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert "no space left" in str(jit._open_cache().problem)


def test_old_folders_go_and_the_newest_stay(home: Path) -> None:
    directory = jit._open_cache().directory
    assert directory is not None
    for age in range(6):
        old = directory.parent / f"old{age}"
        (old / "below").mkdir(parents=True)
        (old / "below" / "code.nbi").write_bytes(b"x")
        os.utime(old, (1000 - age, 1000 - age))
    jit._open_cache()
    assert {path.name for path in directory.parent.iterdir()} == {directory.name, "old0", "old1", "old2"}


def test_another_source_is_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = jit._fingerprint()
    copy = tmp_path / "kernels"
    shutil.copytree(Path(jit.__file__).parent, copy)
    monkeypatch.setattr(jit, "__file__", str(copy / "jit.py"))
    assert jit._fingerprint() == before
    (copy / "cells" / "gru.py").write_text("# changed")
    assert jit._fingerprint() != before


def test_what_is_compiled_is_noticed_and_what_the_cache_has_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "doubling.py"
    file.write_text("def twice(x):\n    return 2 * x\n")
    for times in (1, 0):
        spec = importlib.util.spec_from_file_location("doubling", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "doubling", module)  # where Numba's cache looks for it
        spec.loader.exec_module(module)
        twice, noticed = jit.kernel(module.twice), list[bool]()
        with jit.notify_on_compile(lambda noticed=noticed: noticed.append(True)):  # type: ignore[misc]
            assert twice(4) == twice(3) + 2 == 8
        assert len(noticed) == times
        jit.kernel(module.twice)(1.5)  # nobody listens any more
        assert len(noticed) == times


ONE_SIGNATURE = """
import sys
from pathlib import Path
from tests.training.small_runs import run_summary, small_options, write_small_corpus
from grucli.generation.options import GenerationConfig
from grucli.generation.sampler import Sampler
from grucli.model.cells import CELLS
from grucli.engine.recurrent_layer import kernel_cell
from grucli.model.store import find_model
from grucli.model.weights import load_weights

folder = Path(sys.argv[1])
corpus = write_small_corpus(folder / "corpus.csv")
for cell in CELLS:
    run_summary(small_options(corpus, name=cell, cell=cell, dropout=0.2, threads=2))
    # Floats are a benchmark's: whoever wants them instead compiles them instead.
    sampler = Sampler(load_weights(find_model(cell)), quantized=True)
    state = sampler.read(sampler.initial_state(), "the cat")
    list(sampler.stream(state, GenerationConfig(max_chars=20)))
    list(sampler.generate(state, "", 20, GenerationConfig(max_chars=20, top_p=0.9, top_k=5)))
    rules = GenerationConfig(
        max_chars=20, mirostat=2, relevance=0.3, stop=("on",), block=("cat", "ma*"), repeat_penalty=1.1
    )
    list(sampler.generate(state, "", 20, rules))
    list(sampler.stream(state, GenerationConfig(max_chars=20, beam=3, relevance=0.3)))
    sampler.surprisals(state, " sat"), sampler.gate_activations(state, " sat"), sampler.top_next_tokens(state, 5, rules)
seen, classes = 0, [kernel_cell(cell).__name__ for cell in CELLS.values()]
for name, module in list(sys.modules.items()):
    if name.startswith("grucli.kernels"):
        for kernel in vars(module).values():
            signatures = getattr(kernel, "nopython_signatures", None)
            # What is not cached is a helper, compiled into each of its callers.
            cached = type(getattr(kernel, "_cache", None)).__name__ == "FunctionCache"
            if cached and kernel.py_func.__module__ == name:
                seen += 1
                # What takes a cell is compiled once for each.
                cells = {tuple(name for name in classes if f"{name}(" in str(s)) for s in signatures}
                assert len(signatures) == len(cells), (name, kernel, signatures)
print(seen)
"""


@pytest.mark.slow
def test_each_kernel_has_one_signature(home: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_SIGNATURE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15
