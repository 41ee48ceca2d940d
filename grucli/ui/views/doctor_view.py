"""What `gru doctor` found, as a few lines to read."""

from typing import TYPE_CHECKING

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.key_values import show_facts

if TYPE_CHECKING:
    from grucli.engine.system_info import Kernels, Machine, Setting

_LABEL = 18


def show_machine(terminal: Terminal, machine: "Machine") -> None:
    """Print each fact on a line of stdout, and each setting after them."""
    processor, speed, places = machine.processor, machine.speed, machine.places
    facts = [
        ("processor", f"{processor.name} ({processor.target})"),
        ("cores", f"{processor.cores}"),
        ("vectors", f"{processor.vector_bits} bits"),
        ("multiplies bytes", "yes" if processor.multiplies_bytes else "no"),
        ("one core", f"{speed.gflops_one_core:,.1f} GFLOP/s"),
        ("all cores", f"{speed.gflops_all_cores:,.1f} GFLOP/s"),
        ("memory", f"{speed.memory_gb_per_second:,.1f} GB/s read by one core"),
        ("kernel cache", _kernels(machine.kernels)),
        ("data", str(places.data)),
        ("models", str(places.models)),
        ("cache", str(places.cache)),
        ("config", f"{places.config}{'' if places.config_exists else ' (there is none)'}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
        *(("setting", _setting(setting)) for setting in machine.settings),
    ]
    if not machine.settings:
        facts.append(("settings", "all as they come"))
    show_facts(terminal, facts, _LABEL)


def _kernels(kernels: "Kernels") -> str:
    if kernels.folder is None:
        return f"none, so each run compiles anew: {kernels.problem}"
    return f"{kernels.folder} ({'filled' if kernels.filled else 'empty before this'})"


def _setting(setting: "Setting") -> str:
    value = "" if setting.value is None else f" = {setting.value}"
    note = "" if setting.note is None else f"; no effect: {setting.note}"
    return f"{setting.name}{value} ({setting.source}{note})"
