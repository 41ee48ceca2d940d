"""Values as text for people: durations, counts, bars, key-value lines, tokens."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import sanitize, sanitize_line

MIN_BAR_COLUMNS, MAX_BAR_COLUMNS = 6, 40
_MAX_FIXED = 1e6


def format_duration(seconds: float) -> str:
    """Return a time as 0:07, 12:34 or 1:02:03, rounded to seconds."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_eta(seconds: float | None) -> str:
    """Return the time left, None if unknown, in one width for most values."""
    return f"{'-:--' if seconds is None else format_duration(seconds):>5} left"


def format_si(count: float) -> str:
    """Return a count with at most three digits: 999, 1.2k, 35k, 1.2M."""
    for unit in ("", "k", "M", "G"):
        if count < 999.5:
            return f"{count:.0f}{unit}" if not unit or count >= 9.95 else f"{count:.1f}{unit}"
        count /= 1000
    return f"{count:.0f}T"


def format_float(value: float | None, decimals: int = 3) -> str:
    """Return a value with fixed decimals, a dash for None; one of many digits in scientific notation."""
    if value is None:
        return "-"
    return f"{value:.{decimals}{'f' if abs(value) < _MAX_FIXED else 'e'}}"


def progress_bar(console: Console, progress: float, fields: Sequence[str], width: int | None = None) -> Text:
    """Return one line of `width` columns (default: those of the console): a bar filled to `progress` (0-1), and fields.

    Fields that do not fit are dropped, the last ones first. The first field is more important than a long bar.
    """
    width = console.width - 1 if width is None else width
    caption = " · ".join(fit_fields(fields, width - MIN_BAR_COLUMNS - 1) or fields[:1])
    columns = max(0, min(MAX_BAR_COLUMNS, width - cell_len(caption) - 1))
    line = Text.assemble(bar(progress, columns, console.options.ascii_only), " ", (caption, "dim"))
    line.truncate(max(width, 1))
    return line


def bar(progress: float, columns: int, ascii_only: bool, style: str = "cyan") -> Text:
    """Return a bar alone. The rest is drawn thinner, which shows without colors too."""
    filled = min(columns, max(0, round(columns * progress)))
    done, rest = "=-" if ascii_only else "━─"
    return Text.assemble((done * filled, style), (rest * (columns - filled), "dim"))


def fit_fields(fields: Sequence[str], width: int) -> list[str]:
    """Return the first non-empty fields that fit into `width` columns when joined by ` · `."""
    chosen: list[str] = []
    for field in filter(None, fields):
        if cell_len(" · ".join([*chosen, field])) > width:
            break
        chosen.append(field)
    return chosen


def print_key_values(terminal: Terminal, items: Sequence[tuple[str, str | Text]], label_columns: int) -> None:
    """Print one line per item on stdout, values aligned at `label_columns`. A `Text` must be sanitized already."""
    for name, value in items:
        text = sanitize_line(value) if isinstance(value, str) else value
        terminal.print_line(Text.assemble((f"{name:<{label_columns}}", "dim"), text), label_columns)


def show_control_chars(text: str, ascii_only: bool = False) -> str:
    """Return a token with marks for newlines and for what cannot be displayed; tabs become spaces."""
    newline, hidden = ("\\n", "?") if ascii_only else ("↵", "·")
    return sanitize(text).replace("\n", newline).replace("\t", " ") or hidden


def repr_token(text: str, ascii_only: bool = False) -> str:
    """Return a token as it is listed alone, with marks for spaces too; an empty text is the end of a reply."""
    if not text:
        return "(the end)"
    return show_control_chars(text, ascii_only).replace(" ", "_" if ascii_only else "␣")
