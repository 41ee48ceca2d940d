"""How many processors and how much memory there is, in a container of either version of control groups."""

import os
from pathlib import Path

import pytest

from grucli import limits
from grucli.limits import cpu_quota, logical_cpus, memory_bytes, physical_cores

V2_MOUNT = "31 23 0:28 {root} {top} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNT = "32 31 0:29 {root} {top} rw - cgroup cgroup rw,cpu,cpuacct"
OTHERS = [
    "23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "33 31 0:30 / /nowhere/memory rw - cgroup cgroup rw,memory",
]


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(limits, "_DEVICES", tmp_path / "devices")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def make_group(tmp_path: Path, group: str, mount: str, root: str = "/", **files: str) -> None:
    """Put the process into a group, and write files named `cpu_max` or `cpu_cfs_quota_us` in directories below."""
    (tmp_path / "proc/self").mkdir(parents=True, exist_ok=True)
    (tmp_path / "proc/self/cgroup").write_text(f"4:memory:/elsewhere\n{group}\n")
    lines = [*OTHERS, mount.format(root=root, top=tmp_path / "top")]
    (tmp_path / "proc/self/mountinfo").write_text("\n".join(lines))
    for name, text in files.items():
        directory, _, file = name.rpartition("__")
        path = tmp_path / "top" / directory.replace("__", "/") / file.replace("_", ".", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.mark.parametrize(
    ("text", "quota", "cpus"),
    [
        ("200000 100000", 2.0, 2),
        ("150000 100000", 1.5, 2),
        ("1000 100000", 0.01, 1),
        ("5000000 100000", 50.0, 8),
        ("max 100000", None, 8),
        ("0 100000", None, 8),
        ("100000 0", None, 8),
        ("-1 100000", None, 8),
        ("many", None, 8),
        ("", None, 8),
    ],
)
def test_the_quota_of_version_2_bounds_the_processors(
    tmp_path: Path, text: str, quota: float | None, cpus: int
) -> None:
    make_group(tmp_path, "0::/", V2_MOUNT, cpu_max=text)
    assert (cpu_quota(), logical_cpus(), physical_cores()) == (quota, cpus, cpus)


def test_the_least_quota_of_the_groups_above_counts(tmp_path: Path) -> None:
    make_group(
        tmp_path, "0::/pod/box", V2_MOUNT, cpu_max="max 1000", pod__cpu_max="3000 1000", pod__box__cpu_max="7000 1000"
    )
    assert cpu_quota() == 3


def test_a_group_outside_of_the_mount_is_that_of_the_mount(tmp_path: Path) -> None:
    make_group(tmp_path, "0::/docker/0a1b", V2_MOUNT, cpu_max="2000 1000")
    assert cpu_quota() == 2


@pytest.mark.parametrize("group", ["3:cpu,cpuacct:/docker/0a1b", "3:cpuacct,cpu:/docker/0a1b"])
@pytest.mark.parametrize("root", ["/", "/docker/0a1b", "/docker"])
def test_the_quota_of_version_1(tmp_path: Path, group: str, root: str) -> None:
    below = "/docker/0a1b".removeprefix(root).strip("/").replace("/", "__")
    directory = f"{below}__" if below else ""
    files = {f"{directory}cpu_cfs_quota_us": "250000", f"{directory}cpu_cfs_period_us": "100000"}
    make_group(tmp_path, group, V1_MOUNT, root, **files)
    assert (cpu_quota(), logical_cpus()) == (2.5, 3)


def test_no_quota_of_version_1(tmp_path: Path) -> None:
    make_group(tmp_path, "3:cpu:/", V1_MOUNT, cpu_cfs_quota_us="-1", cpu_cfs_period_us="100000")
    assert (cpu_quota(), logical_cpus()) == (None, 8)


@pytest.mark.parametrize("text", ["", "nonsense", "0::/\n1:2", "\0"])
def test_what_the_system_says_may_be_anything(tmp_path: Path, text: str) -> None:
    make_group(tmp_path, "0::/", V2_MOUNT, cpu_max="200000 100000")
    for name in ("mountinfo", "cgroup"):
        (tmp_path / "proc/self" / name).write_text(text)
        assert cpu_quota() is None


@pytest.mark.parametrize(
    ("group", "mount", "name", "text", "limit"),
    [
        ("0::/", V2_MOUNT, "memory_max", "1000000", 1_000_000),
        ("0::/", V2_MOUNT, "memory_max", "max", None),
        ("2:cpu,memory:/", V1_MOUNT.replace("cpuacct", "memory"), "memory_limit_in_bytes", "1000000", 1_000_000),
        ("2:cpu:/", V1_MOUNT, "memory_limit_in_bytes", "1000000", None),
        ("2:memory:/", V1_MOUNT.replace("cpuacct", "memory"), "memory_limit_in_bytes", "9223372036854771712", None),
    ],
)
def test_the_memory_of_a_container(
    tmp_path: Path, group: str, mount: str, name: str, text: str, limit: int | None
) -> None:
    before = memory_bytes()
    make_group(tmp_path, group, mount, **{name: text})
    assert memory_bytes() == (before if limit is None else limit)


def test_a_system_without_control_groups_has_no_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert (cpu_quota(), logical_cpus(), physical_cores()) == (None, 6, 6)


def test_threads_of_one_core_count_once(tmp_path: Path) -> None:
    for cpu in range(6):
        path = tmp_path / f"devices/cpu{cpu}/topology/thread_siblings_list"
        path.parent.mkdir(parents=True)
        path.write_text(f"{cpu % 3},{cpu % 3 + 3}")
    assert (logical_cpus(), physical_cores()) == (8, 5)  # of the last two nothing is known
