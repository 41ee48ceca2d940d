"""What this process may use of the machine: processors and memory, within the limits of its container.

A container such as `docker run --cpus 2 --memory 4g` sees the whole machine, and its control group (cgroup) limits the
CPU time of all threads together, and the memory. More threads than that only wait for each other.
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_DEVICES = Path("/sys/devices/system/cpu")


def logical_cpus() -> int:
    """Return the number of logical processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return _within_quota(len(os.sched_getaffinity(0)))
    return _within_quota(os.cpu_count() or 1)


def physical_cores() -> int:
    """Return the number of physical cores that this process may use, as far as known.

    Hyperthreads share the vector units of a core.
    """
    if hasattr(os, "sched_getaffinity"):
        return _within_quota(len({_siblings(cpu) for cpu in os.sched_getaffinity(0)}))
    return logical_cpus()


def cpu_quota() -> float | None:
    """Return the processors whose time the control groups of this process permit in all, None for no limit."""
    return min(filter(None, map(_cpu_quota, _group_directories("cpu"))), default=None)


def memory_bytes() -> int | None:
    """Return the bytes of memory that this process may use, None if unknown."""
    if not hasattr(os, "sysconf"):  # Windows
        return None
    physical: int = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *filter(None, map(_memory_limit, _group_directories("memory")))])


def _within_quota(cpus: int) -> int:
    quota = cpu_quota()
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def _siblings(cpu: int) -> str:
    try:
        return (_DEVICES / f"cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii")
    except (OSError, ValueError):
        return str(cpu)


def _cpu_quota(directory: Path) -> float | None:
    """Return the quota of one group, from `cpu.max` ("200000 100000" or "max 100000") or the files of version 1."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        if (directory / "cpu.max").exists():
            limit, period = (directory / "cpu.max").read_text().split()
        else:
            limit, period = ((directory / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return max(int(limit) / int(period), 0)  # none: "max" or -1
    return None


def _memory_limit(directory: Path) -> int | None:
    """Return the limit of one group, in bytes, from the file of version 2 or 1."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            return max(int((directory / name).read_text()), 0)
    return None


def _group_directories(controller: str) -> Iterator[Path]:
    """Yield the directories of the groups of this process that may have limits of a controller, in both versions."""
    with suppress(OSError, ValueError):
        groups = [line.split(":", 2) for line in (_PROC / "self/cgroup").read_text().splitlines()]
        # Version 2 has no list of controllers.
        paths = {kind: Path(path) for _, kinds, path in groups for kind in kinds.split(",")}
        for mount in (_PROC / "self/mountinfo").read_text().splitlines():
            fields, _, file_system = mount.partition(" - ")
            _, _, _, root, mount_point, *_ = fields.split(" ")
            kind, _, options = file_system.split(" ", 2)
            key = {"cgroup2": "", "cgroup": controller}.get(kind)
            if key in paths and (key == "" or controller in options.split(",")):
                yield from _directories_up(Path(mount_point), root, paths[key])


def _directories_up(mount_point: Path, root: str, group: Path) -> Iterator[Path]:
    """Yield the directory of a group and those above it in a mount.

    The root of the mount may be a group itself, and the path of the group may be outside of it, in a container.
    """
    directory = mount_point / group.relative_to(root) if group.is_relative_to(root) else mount_point
    yield directory
    while directory != mount_point:
        directory = directory.parent
        yield directory
