"""Typed wrappers of Numba's decorators, and a safe cache of machine code.

Numba's cache is keyed by the file of a function, so editing a helper in another file would leave stale code; and its
files are pickles, so anyone who can write them can run code as the user. Both are settled before the first decorator
runs: the cache directory belongs to the user with mode 0700, and its name is a hash of all sources of this package and
of the compiler's versions. Without such a directory nothing is cached, and `CACHE.problem` says why.

Every file of the cache begins with its digest, which is checked before anything is unpickled. A file that a full disk
or a crash has damaged is discarded, and its kernel compiled again; `CACHE.discarded` has these files.
"""

import contextlib
import hashlib
import inspect
import os
import pickle
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import llvmlite
import llvmlite.binding as llvm
import numba
import numba.core.caching
import numba.core.event
import numba.extending

from grucli.paths import cache_dir

_MIN_FREE_BYTES = 32 << 20  # all kernels take a few megabytes
_DIGEST_BYTES = 32

_caching: Any = numba.core.caching  # without types

P = ParamSpec("P")
R = TypeVar("R")

# No nnan, no ninf: divergence must stay visible. Reassociation lets LLVM vectorize a sum.
_FASTMATH = {"contract", "nsz", "arcp"}
_REDUCTION_FASTMATH = _FASTMATH | {"reassoc"}

# What lets Python, or C, call a function takes as long to compile as the function: a helper needs neither.
_NO_WRAPPERS: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


@dataclass(frozen=True, slots=True)
class KernelCache:
    """Directory of the machine code, or None and the problem with it. `discarded`: damaged files found so far."""

    directory: Path | None
    problem: str | None
    discarded: list[Path] = field(default_factory=list)

    @property
    def is_warm(self) -> bool:
        """True if there are compiled kernels for this source and machine."""
        return self.directory is not None and any(self.directory.rglob("*.nbi"))


def _fingerprint() -> str:
    digest = hashlib.sha256()
    digest.update(f"{sys.version} {numba.__version__} {llvmlite.__version__} {llvm.get_host_cpu_name()}".encode())
    directory = Path(__file__).parent
    for source in sorted(directory.rglob("*.py")):
        digest.update(source.relative_to(directory).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def _insecure_reason(directory: Path) -> str | None:
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return f"{directory} is not a directory"
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return f"{directory} belongs to another user"
    if os.name == "posix" and status.st_mode & 0o022:
        return f"{directory} is writable by other users"
    return None


def _open_cache() -> KernelCache:
    parent = cache_dir() / "kernels"
    directory = parent / _fingerprint()
    try:
        for each in (parent.parent, parent, directory):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = _insecure_reason(parent) or _insecure_reason(directory)
        if problem is None and not os.access(directory, os.W_OK):
            problem = f"{directory} is not writable"
        if problem is None and shutil.disk_usage(directory).free < _MIN_FREE_BYTES:
            problem = f"no space left on device for {directory}"
    except OSError as error:
        problem = f"{directory}: {error.strerror or error}"
    if problem is not None:
        return KernelCache(None, problem)
    _evict_old(parent, keep=directory)
    return KernelCache(directory, None)


def _evict_old(parent: Path, keep: Path) -> None:
    """Keep the newest few directories: each change of a kernel or the compiler makes one."""
    with contextlib.suppress(OSError):
        others = sorted((f for f in parent.iterdir() if f != keep), key=lambda f: f.stat().st_mtime, reverse=True)
        for stale in others[3:]:
            for file in sorted(stale.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            stale.rmdir()


# NUMBA_DISABLE_JIT=1 cannot be obeyed: the kernels use pointers, which Python does not have.
numba.config.DISABLE_JIT = 0  # type: ignore[attr-defined]
CACHE = _open_cache()
if CACHE.directory is not None:
    numba.config.CACHE_DIR = str(CACHE.directory)  # type: ignore[attr-defined]


class _CacheFiles(_caching.IndexDataCacheFile):  # type: ignore[misc]
    """The files of one function: an index of its signatures, and one file of machine code for each.

    Each is its digest and a pickle. A file of machine code also has its signature: two processes that compile at the
    same time may give two signatures one file name.
    """

    def load(self, key: Any) -> Any:
        """Return the compiled code of a signature, or None."""
        name = self._load_index().get(key)
        saved_key, data = (None, None) if name is None else self._read(name, (None, None))
        return data if saved_key == key else None

    def _load_index(self) -> Any:
        stamp, names = self._read(self._index_name, (None, {}))
        return names if stamp == self._source_stamp else {}

    def _save_index(self, overloads: Any) -> None:
        self._write(self._index_name, (self._source_stamp, overloads))

    def save(self, key: Any, data: Any) -> None:
        """Save the compiled code of a signature; nothing is saved where it cannot be."""
        with contextlib.suppress(OSError):
            super().save(key, (key, data))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(name, data)

    def _read(self, name: str, default: Any) -> Any:
        path = Path(self._cache_path, name)
        try:
            with open(path, "rb", opener=_open_no_follow) as file:
                digest, content = file.read(_DIGEST_BYTES), file.read()
            if digest == _digest(name, content):
                return pickle.loads(content)  # noqa: S301 - these bytes were written here
        except (FileNotFoundError, PermissionError):  # Windows refuses while another process replaces it
            return default
        except Exception:  # whatever is wrong with it, its kernel is compiled again
            pass
        CACHE.discarded.append(path)
        with contextlib.suppress(OSError):
            path.unlink()
        return default

    def _write(self, name: str, value: Any) -> None:
        content = self._dump(value)
        descriptor, temporary = tempfile.mkstemp(dir=self._cache_path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_digest(name, content) + content)
            Path(temporary).replace(Path(self._cache_path, name))
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise


def _digest(name: str, content: bytes) -> bytes:
    # With the name, so that a file in the place of another is found as well.
    digest = hashlib.blake2b(name.encode() + b"\0", digest_size=_DIGEST_BYTES)
    digest.update(content)
    return digest.digest()


def _open_no_follow(path: str, flags: int) -> int:
    # A pipe must not block.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


class _CacheLocator(_caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """The directory of a function's files, in `CACHE.directory`."""

    def ensure_cache_path(self) -> None:
        """Create the directory."""
        Path(self.get_cache_path()).mkdir(mode=0o700, exist_ok=True)


class _CacheImpl(_caching.CompileResultCacheImpl):  # type: ignore[misc]
    """How a compiled function is pickled, and where to."""

    _locator_classes = [_CacheLocator]  # noqa: RUF012 - of the base class


class _FunctionCache(_caching.FunctionCache):  # type: ignore[misc]
    """The cache of one function."""

    _impl_class = _CacheImpl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = _CacheFiles(
            self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp()
        )


@contextlib.contextmanager
def notify_on_compile(callback: Callable[[], object]) -> Iterator[None]:
    """Call `callback` whenever a kernel is compiled within the block, but not when it is loaded from the cache."""
    with numba.core.event.install_listener("numba:compile", _CompileListener(callback)):
        yield


class _CompileListener(numba.core.event.Listener):
    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback

    def on_start(self, event: object) -> None:
        self._callback()

    def on_end(self, event: object) -> None:
        pass


def _jit(function: Callable[P, R], fastmath: set[str], inline: bool = False) -> Callable[P, R]:
    # The caller holds all arrays: counting references to them takes longer than a row of a small layer.
    options: dict[str, Any] = {"_nrt": False} | (_NO_WRAPPERS if inline else {"no_cfunc_wrapper": True})
    njit: Any = numba.njit  # its stubs do not know every option
    decorate = njit(
        nogil=True,
        fastmath=fastmath,
        error_model="numpy",  # division by zero gives inf; a check for it would prevent vectorization
        **options,
    )
    compiled: Callable[P, R] = decorate(function)
    if CACHE.directory is not None and not inline:
        with contextlib.suppress(RuntimeError):  # its directory cannot be created
            compiled._cache = _FunctionCache(function)  # type: ignore[attr-defined]
    return compiled


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop that is called from Python; it releases the GIL and allocates nothing."""
    return _jit(function, _FASTMATH)


def reduction(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop whose sums may be reordered, so that they can be vectorized."""
    return _jit(function, _REDUCTION_FASTMATH)


def helper(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a helper that is inlined into kernels. No reassociation; FMA contraction is allowed."""
    return _jit(function, {"contract"}, inline=True)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a part that several kernels share, with the arithmetic of `kernel`."""
    return _jit(function, _FASTMATH, inline=True)


def intrinsic(generator: Callable[..., Any]) -> Any:
    """Make a function for compiled code from one that emits its LLVM IR."""
    return numba.extending.intrinsic(generator)


def overload(function: Callable[P, R]) -> Callable[[Callable[..., Callable[P, R]]], object]:
    """Let the decorated function choose the code of `function` in kernels, by Numba's types of its arguments."""
    # strict would compare annotations, too
    decorate: Any = numba.extending.overload(function, strict=False, jit_options=_NO_WRAPPERS)
    return decorate  # type: ignore[no-any-return]


def method(function: Callable[P, R]) -> Callable[P, R]:
    """Let kernels that call `function(cell, ...)` run the method of that name of the NamedTuple class of `cell`.

    The class is a part of a kernel's signature, so each class has separate machine code, in the cache as well. The body
    of `function` is the default for classes without the method. Methods have the arithmetic of `kernel` in any caller.
    """

    def choose(cell: Any, *others: Any) -> Any:
        return getattr(cell.instance_class, function.__name__, function)

    choose.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    options: Any = {"fastmath": _FASTMATH, "error_model": "numpy", "_nrt": False} | _NO_WRAPPERS
    overload_: Any = numba.extending.overload
    overload_(function, strict=False, jit_options=options)(choose)
    return function
