"""Where machine code is kept, where it is not, and that each kernel is compiled for one signature."""

import errno
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numba
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


def import_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], int]:
    """Return a kernel of a module that is imported anew, as another process would, and so read from the cache."""
    if not (folder / "twice.py").exists():  # Numba compares its time
        (folder / "twice.py").write_text("def twice(x):\n    return 2 * x\n")
    spec = importlib.util.spec_from_file_location("twice", folder / "twice.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "twice", module)
    spec.loader.exec_module(module)
    kernel: Callable[[int], int] = jit.kernel(module.twice)
    return kernel


@pytest.fixture
def cached(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the two files of a cached kernel."""
    cache = jit._open_cache()
    monkeypatch.setattr(jit, "CACHE", cache)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(cache.directory))
    assert import_twice(tmp_path, monkeypatch)(4) == 8
    assert cache.directory is not None
    (directory,) = cache.directory.iterdir()
    return directory


def flip(content: bytes, index: int) -> bytes:
    return content[:index] + bytes([content[index] ^ 4]) + content[index + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "without the last byte": lambda content: content[:-1],
    "longer": lambda content: content + b"x",
    "zeros": lambda content: bytes(len(content)),
    "first bit": lambda content: flip(content, 0),
    "last bit": lambda content: flip(content, len(content) - 1),
    "a bit": lambda content: flip(content, len(content) // 2),
    "a pickle": lambda content: content[32:],
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffixes", [(".nbi",), (".nbc",)], ids=str)
def test_a_damaged_file_is_discarded_and_its_kernel_compiled_again(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, suffixes: tuple[str, ...]
) -> None:
    before = {path: path.read_bytes() for path in cached.iterdir()}
    assert len(before) == 2
    for path in before:
        if path.suffix in suffixes:
            path.write_bytes(DAMAGES[damage](path.read_bytes()))
    compiled = list[bool]()
    with jit.notify_on_compile(lambda: compiled.append(True)):
        assert import_twice(tmp_path, monkeypatch)(4) == 8
        assert [path.suffix for path in jit.CACHE.discarded] == [suffixes[0]]
        assert compiled == [True]
        assert import_twice(tmp_path, monkeypatch)(4) == 8
    assert compiled == [True]
    assert {path.suffix for path in cached.iterdir()} == {".nbi", ".nbc"}


@posix
@pytest.mark.parametrize("kind", ["directory", "pipe", "link", "unreadable", "missing"])
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_what_is_no_file_is_not_read(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, suffix: str
) -> None:
    (path,) = cached.glob(f"*{suffix}")
    kept = tmp_path / "kept"
    path.rename(kept)
    content = kept.read_bytes()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(kept)
    elif kind == "unreadable":
        path.write_bytes(content)
        path.chmod(0)
    assert import_twice(tmp_path, monkeypatch)(4) == 8
    assert kept.read_bytes() == content
    if kind != "directory":
        assert path.is_file()
        assert not path.is_symlink()


def test_a_file_in_the_place_of_another_is_discarded(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert import_twice(tmp_path, monkeypatch)(1.5) == 3  # type: ignore[arg-type]
    whole, real = sorted(cached.glob("*.nbc"))
    shutil.copy(whole, real)
    assert import_twice(tmp_path, monkeypatch)(1.5) == 3  # type: ignore[arg-type]
    assert jit.CACHE.discarded == [real]


def test_two_signatures_of_one_file_name_are_told_apart(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that compile different signatures at the same time choose the same name."""
    index, code = next(cached.glob("*.nbi")), next(cached.glob("*.nbc"))
    of_integers = code.read_bytes()
    index.unlink()
    assert import_twice(tmp_path, monkeypatch)(1.5) == 3  # type: ignore[arg-type]
    code.write_bytes(of_integers)
    assert import_twice(tmp_path, monkeypatch)(1.5) == 3  # type: ignore[arg-type]


@posix
def test_the_files_of_the_cache_are_private(cached: Path) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in cached.iterdir()} == {0o600}
    for directory in (cached, *list(cached.parents)[:3]):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700, directory


def test_nothing_is_cached_where_nothing_can_be_written(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert import_twice(tmp_path, monkeypatch)(1.5) == 3  # type: ignore[arg-type]
    shutil.rmtree(cached)
    cached.write_bytes(b"in the way")
    assert import_twice(tmp_path, monkeypatch)(4) == 8
    assert cached.read_bytes() == b"in the way"
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.slow
def test_a_command_with_a_damaged_cache_says_so_and_does_its_work(home: Path, tmp_path: Path) -> None:
    shutil.copytree(jit.CACHE.directory.parent, home / "cache" / "kernels")  # type: ignore[union-attr]
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("body\n" + "the cat sat on the mat\n" * 50)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "grucli", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    sizes = ["--hidden", "16", "--batch", "4", "--seq", "8", "--steps", "4"]
    assert run("train", str(corpus), "--name", "emo", *sizes).returncode == 0
    sample = ["sample", "emo", "--seed", "1", "-n", "2"]
    expected = run(*sample)
    assert expected.returncode == 0
    for path in (home / "cache" / "kernels").rglob("*.nb?"):
        path.write_bytes(flip(path.read_bytes(), path.stat().st_size // 2))
    result = run(*sample)
    assert (result.returncode, result.stdout) == (0, expected.stdout)
    assert "damaged in the kernel cache; compiled again" in result.stderr
    assert "damaged" not in run(*sample).stderr


@pytest.mark.slow
@pytest.mark.parametrize("content", ["disable_jit: 1\ndump_ir: 1\n", "[]", "\0", None])
def test_a_config_file_of_numba_in_the_working_directory_is_not_read(tmp_path: Path, content: str | None) -> None:
    config = tmp_path / ".numba_config.yaml"
    config.write_text(content or "")
    if content is None:
        config.chmod(0)
    # In the place of PyYAML, which need not be installed.
    (tmp_path / "yaml.py").write_text("def safe_load(file): return {'disable_jit': 1, 'dump_ir': 1}\n")
    program = (
        "from grucli.kernels.adamw import sum_of_squares; import numpy, numba, yaml\n"
        "sum_of_squares(0, 8, numpy.ones(8, numpy.float32)); assert sum_of_squares.nopython_signatures\n"
        "print(numba.config.DISABLE_JIT, numba.config.DUMP_IR, yaml.safe_load(None)['dump_ir'])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (done.stdout, done.stderr) == ("0 0 1\n", "")


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
            cached = type(getattr(kernel, "_cache", None)).__name__ == "_FunctionCache"
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
