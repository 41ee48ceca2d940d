"""The figures of `gru eval` and the report of `gru doctor`, one fact per line."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from grucli.errors import pluralize
from grucli.model.figures import ContextGain
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import format_float, format_si, print_key_values

if TYPE_CHECKING:
    from grucli.engine.system_info import ConfigEntry, KernelCacheInfo, PackagedModelInfo, SystemInfo
    from grucli.generation.dynamic_evaluation import DynamicGain
    from grucli.generation.evaluation import EvalResult

_EVAL_LABEL_COLUMNS = 20
_LABEL_COLUMNS = 18


def show_scores(terminal: Terminal, scores: "EvalResult") -> None:
    """Print one line per figure on stdout."""
    facts = [
        ("bits per character", f"{scores.bits_per_char:.4f}"),
        ("nats per character", f"{scores.nats_per_char:.4f}"),
        ("nats per token", f"{scores.nats_per_token:.4f}"),
        ("perplexity", f"{scores.perplexity:.3f}"),
        ("tokens", f"{scores.tokens:,}"),
        ("characters", f"{scores.characters:,}"),
        ("unknown characters", f"{scores.unknown_share:.2%}"),
    ]
    if scores.context is not None:
        facts += zip(("context gain", "right context"), describe_context_gain(scores.context), strict=True)
    if scores.dynamic is not None:
        facts += _dynamic_facts(scores.dynamic)
    print_key_values(terminal, facts, _EVAL_LABEL_COLUMNS)


def _dynamic_facts(gain: "DynamicGain") -> Iterator[tuple[str, str]]:
    interval = gain.dynamic_gain_interval
    spread = "not enough text for an interval"
    if interval is not None:
        spread = f"95%: {interval[0]:,.1f} to {interval[1]:,.1f}"
    turns = pluralize(gain.dynamic_turns, "turn")
    yield "gain of learning", f"{gain.dynamic_gain_bits:,.1f} bits in {turns} ({spread})"
    for bucket in gain.dynamic_curve:
        yield f"turns {bucket.first_turn} to {bucket.last_turn}", f"gain of {bucket.gain_bits:.2f} bits per turn"
    yield "with learning", f"{gain.dynamic_bits_per_char:.4f} bits per character"
    yield "without", f"{gain.static_bits_per_char:.4f} bits per character"
    yield "cost", f"{gain.dynamic_ms_per_turn:.1f} ms per turn"


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
