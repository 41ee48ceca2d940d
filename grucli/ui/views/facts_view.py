"""The gain of context in words, and the report of `gru doctor`, one fact per line."""

from typing import TYPE_CHECKING

from grucli.model.figures import ContextGain
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import format_float, format_si, print_key_values

if TYPE_CHECKING:
    from grucli.engine.system_info import ConfigEntry, KernelCacheInfo, PackagedModelInfo, SystemInfo

_LABEL_COLUMNS = 18


def describe_context_gain(figures: ContextGain) -> list[str]:
    """Return two phrases, about the gain and about the right context; none if the gain was not measured."""
    interval, share, replies = figures.context_gain_interval, figures.right_context_share, figures.context_replies
    if interval is None or share is None or replies is None:
        return []
    mean, low, high = (format_float(bits, 2) for bits in (figures.context_gain_bits, *interval))
    gain = f"{mean} bits per reply (95%: {low} to {high})"
    return [gain, f"better than another in {share:.0%} of {replies:,} replies"]


def show_system_info(terminal: Terminal, info: "SystemInfo") -> None:
    """Print one line per fact on stdout, then one per setting."""
    processor, speed, directories = info.processor, info.speed, info.directories
    facts = [
        ("processor", f"{processor.name} ({processor.target})"),
        ("cores", f"{processor.cores}{_format_quota(processor.quota)}"),
        ("vectors", f"{processor.simd_bits} bits"),
        ("int8 products", "yes" if processor.has_vnni else "no"),
        ("one core", f"{speed.gflops_one_core:,.1f} GFLOP/s"),
        ("all cores", f"{speed.gflops_all_cores:,.1f} GFLOP/s"),
        ("memory", f"{speed.memory_gb_per_second:,.1f} GB/s read by one core"),
        ("kernel cache", _format_kernel_cache(info.kernel_cache)),
        ("data", str(directories.data)),
        ("models", str(directories.models)),
        ("packaged model", _format_packaged_model(info.packaged_model)),
        ("cache", str(directories.cache)),
        ("config", f"{directories.config}{'' if directories.config_exists else ' (not found)'}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in info.versions.items())),
        *(("setting", _format_setting(setting)) for setting in info.settings),
    ]
    if not info.settings:
        facts.append(("settings", "defaults"))
    print_key_values(terminal, facts, _LABEL_COLUMNS)


def _format_quota(quota: float | None) -> str:
    return "" if quota is None else f" (CPU quota of the container: {quota:g})"


def _format_kernel_cache(kernels: "KernelCacheInfo") -> str:
    if kernels.directory is None:
        return f"disabled, kernels are recompiled on every run: {kernels.problem}"
    return f"{kernels.directory} ({'warm' if kernels.is_warm else 'cold'})"


def _format_packaged_model(model: "PackagedModelInfo | None") -> str:
    if model is None:
        return "not in this installation"
    damaged = "" if model.problem is None else ", damaged; reinstall gru"
    return f"{model.name}, {format_si(model.bytes)}B{damaged}"


def _format_setting(setting: "ConfigEntry") -> str:
    value = "" if setting.value is None else f" = {setting.value}"
    note = "" if setting.note is None else f"; no effect: {setting.note}"
    return f"{setting.name}{value} ({setting.source}{note})"
