"""What machine this is, and whether it is idle."""

import os
import platform
import subprocess
from pathlib import Path

_CPU_FIELDS = ("model name", "cpu family", "model")
_BUSY_SHARE = 0.3


def processor_name() -> str:
    """Return the name of the processor, with family and model where Linux tells them.

    Processors of several generations are named "AMD EPYC" in virtual machines.
    """
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else []
    values: dict[str, str] = {}
    for line in lines:
        field, _, value = line.partition(":")
        values.setdefault(field.strip(), value.strip())
    if any(field not in values for field in _CPU_FIELDS):
        return platform.processor() or platform.machine()
    name, family, model = (values[field] for field in _CPU_FIELDS)
    return f"{name}, family {family} model {model}, {os.cpu_count()} cores"


def load_average() -> float | None:
    """Return the mean number of running processes of the last minute, or None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def is_busy(load: float | None) -> bool:
    """Return True if a load average is too high for a measurement of time."""
    return load is not None and load > _BUSY_SHARE * (os.cpu_count() or 1)


def commit() -> str:
    """Return the abbreviated commit of the code, with "+" after it if files were changed since; "" without git."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    result = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""
