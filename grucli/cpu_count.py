"""How many processors this process may use: those it may run on, and the CPU quota of its container.

A container such as `docker run --cpus 2` sees every processor of the machine, and its control group (cgroup) limits the
CPU time of all threads together. More threads than that only wait for each other.
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
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    return _within_quota(len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1)


def physical_cores() -> int:
    """Return the number of physical cores that this process may use, as far as known.

    Hyperthreads share the vector units of a core.
    """
    if hasattr(os, "sched_getaffinity"):
        return _within_quota(len({_siblings(cpu) for cpu in os.sched_getaffinity(0)}))
    return logical_cpus()


def cpu_quota() -> float | None:
    """Return the processors whose time the control groups of this process permit in all, None for no limit."""
    with suppress(OSError, ValueError):
        groups = dict(_parse_group(line) for line in (_PROC / "self/cgroup").read_text().splitlines())
        quotas = [
            quota
            for mount in (_PROC / "self/mountinfo").read_text().splitlines()
            for directory in _group_directories(mount, groups)
            if (quota := _quota(directory)) is not None
        ]
        return min(quotas, default=None)
    return None


def _within_quota(cpus: int) -> int:
    quota = cpu_quota()
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def _siblings(cpu: int) -> str:
    try:
        return (_DEVICES / f"cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii")
    except (OSError, ValueError):
        return str(cpu)


def _parse_group(line: str) -> tuple[str, Path]:
    """Return the type of the file system of a group, of version 2 or of the controller cpu, and its path there."""
    _, controllers, path = line.split(":", 2)
    version_2, has_cpu = not controllers, "cpu" in controllers.split(",")
    return "cgroup2" if version_2 else "cgroup" if has_cpu else "", Path(path)


def _group_directories(mount: str, groups: dict[str, Path]) -> Iterator[Path]:
    """Yield the directories of this process's group and of those above it in a mount, a line of `mountinfo`.

    The root of the mount may be a group itself, and the path of the group may be outside of it, in a container.
    """
    fields, _, file_system = mount.partition(" - ")
    _, _, _, root, mount_point, *_ = fields.split(" ")
    kind, _, options = file_system.split(" ", 2)
    group = groups.get(kind)
    if group is None or (kind == "cgroup" and "cpu" not in options.split(",")):
        return
    top = Path(mount_point)
    directory = top / group.relative_to(root) if group.is_relative_to(root) else top
    yield directory
    while directory != top:
        directory = directory.parent
        yield directory


def _quota(directory: Path) -> float | None:
    """Return the quota of one group, from `cpu.max` ("200000 100000" or "max 100000") or the files of version 1."""
    try:
        if (directory / "cpu.max").exists():
            limit, period = (directory / "cpu.max").read_text().split()
        else:
            limit, period = ((directory / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        quota = math.inf if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return quota if 0 < quota < math.inf else None
