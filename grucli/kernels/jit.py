"""Numba, wrapped once: typed decorators, and a cache of machine code that is neither stale nor a way in.

Numba keys its cache to the file a function stands in, so an edited helper in another file would leave stale code; and
its cache files are pickles, so whoever can write there can run code as the user. Both are settled here, before the
first decorator runs: the cache lies in a folder of the user's own with mode 0700, named by a hash of every source of
this room and of the compiler's versions. Where no such folder can be had, nothing is cached and `CACHE.problem` says
why.
"""

import contextlib
import hashlib
import inspect
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import llvmlite
import llvmlite.binding as llvm
import numba
import numba.core.event
import numba.extending

from grucli.paths import cache_dir

_MIN_FREE_BYTES = 32 << 20
"""Bytes. Numba fails where it cannot write its cache; all kernels take a few megabytes."""

P = ParamSpec("P")
R = TypeVar("R")

# No nnan, no ninf: divergence must stay visible. Reassociation lets a sum be taken in vector lanes.
_FASTMATH = {"contract", "nsz", "arcp"}
_REDUCTION_FASTMATH = _FASTMATH | {"reassoc"}

# What lets Python, or C, call a function takes as long to compile as the function: a helper needs neither.
_NO_WRAPPERS: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


@dataclass(frozen=True, slots=True)
class KernelCache:
    """Where machine code is kept between runs (None: nowhere), and why not, in words."""

    directory: Path | None
    problem: str | None

    @property
    def is_warm(self) -> bool:
        """Whether an earlier run has left compiled kernels for this very source and machine."""
        return self.directory is not None and any(self.directory.rglob("*.nbi"))


def _fingerprint() -> str:
    digest = hashlib.sha256()
    digest.update(f"{sys.version} {numba.__version__} {llvmlite.__version__} {llvm.get_host_cpu_name()}".encode())
    directory = Path(__file__).parent
    for source in sorted(directory.rglob("*.py")):
        digest.update(source.relative_to(directory).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def _insecure_reason(directory: Path) -> str | None:
    """Why somebody else could plant a file in `folder`, or None."""
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return f"{directory} is not a folder"
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return f"{directory} belongs to somebody else"
    if os.name == "posix" and status.st_mode & 0o022:
        return f"others may write to {directory}"
    return None


def _open_cache() -> KernelCache:
    parent = cache_dir() / "kernels"
    directory = parent / _fingerprint()
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.mkdir(exist_ok=True, mode=0o700)
        problem = _insecure_reason(parent) or _insecure_reason(directory)
        if problem is None and not os.access(directory, os.W_OK):
            problem = f"{directory} cannot be written to"
        if problem is None and shutil.disk_usage(directory).free < _MIN_FREE_BYTES:
            problem = f"there is no room for {directory}"
    except OSError as error:
        problem = f"{directory}: {error.strerror or error}"
    if problem is not None:
        return KernelCache(None, problem)
    _evict_old(parent, keep=directory)
    return KernelCache(directory, None)


def _evict_old(parent: Path, keep: Path) -> None:
    """Leave the newest few folders: each change of a kernel or of a compiler makes one."""
    with contextlib.suppress(OSError):
        others = sorted((f for f in parent.iterdir() if f != keep), key=lambda f: f.stat().st_mtime, reverse=True)
        for stale in others[3:]:
            for file in sorted(stale.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            stale.rmdir()


CACHE = _open_cache()
if CACHE.directory is not None:
    numba.config.CACHE_DIR = str(CACHE.directory)  # type: ignore[attr-defined]


@contextlib.contextmanager
def notify_on_compile(callback: Callable[[], object]) -> Iterator[None]:
    """Call `notice` whenever a kernel is compiled within the block; those that the cache has are only loaded."""
    with numba.core.event.install_listener("numba:compile", _CompileListener(callback)):
        yield


class _CompileListener(numba.core.event.Listener):
    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback

    def on_start(self, event: object) -> None:
        """A compilation begins."""
        self._callback()

    def on_end(self, event: object) -> None:
        """It is over, which is no news."""


def _jit(function: Callable[P, R], fastmath: set[str], inline: bool = False) -> Callable[P, R]:
    # The caller holds all arrays: counting references to them takes longer than a row of a small layer.
    options: dict[str, Any] = {"_nrt": False} | (_NO_WRAPPERS if inline else {"no_cfunc_wrapper": True})
    njit: Any = numba.njit  # its stubs do not know every option
    decorate = njit(
        nogil=True,
        cache=CACHE.directory is not None and not inline,
        fastmath=fastmath,
        error_model="numpy",  # a division by zero gives inf; the check for it would keep loops from being vectorised
        **options,
    )
    compiled: Callable[P, R] = decorate(function)
    return compiled


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop that is called from Python. It holds no lock while it runs, and allocates nothing."""
    return _jit(function, _FASTMATH)


def reduction(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop whose sums may be taken in another order, so that they fit vector lanes."""
    return _jit(function, _REDUCTION_FASTMATH)


def helper(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a scalar helper for other kernels, its operations in the order they are written."""
    return _jit(function, {"contract"}, inline=True)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a part that several kernels share, with the arithmetic of `kernel`."""
    return _jit(function, _FASTMATH, inline=True)


def intrinsic(generator: Callable[..., Any]) -> Any:
    """Make a function of compiled code out of one that writes its LLVM IR."""
    return numba.extending.intrinsic(generator)


def overload(function: Callable[P, R]) -> Callable[[Callable[..., Callable[P, R]]], object]:
    """Let what is decorated choose, from Numba's types of the arguments, the code of `function` inside kernels."""
    # Strictly, annotations would have to agree, too.
    decorate: Any = numba.extending.overload(function, strict=False, jit_options=_NO_WRAPPERS)
    return decorate  # type: ignore[no-any-return]


def method(function: Callable[P, R]) -> Callable[P, R]:
    """Let kernels that call `function(cell, ...)` run the method of that name of the NamedTuple class of `cell`.

    The class is part of a kernel's signature, so each class has machine code of its own, in the cache as well. Where a
    class has no such method, the body of `function` is what is run. The method is compiled with the arithmetic of
    `kernel`, whatever calls it.
    """

    def choose(cell: Any, *others: Any) -> Any:
        return getattr(cell.instance_class, function.__name__, function)

    choose.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    options: Any = {"fastmath": _FASTMATH, "error_model": "numpy", "_nrt": False} | _NO_WRAPPERS
    overload_: Any = numba.extending.overload
    overload_(function, strict=False, jit_options=options)(choose)
    return function
