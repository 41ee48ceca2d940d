"""Numbers as people read them: durations, counts. Plain strings, no terminal."""


def format_duration(seconds: float) -> str:
    """Give a time as 0:07, 12:34 or 1:02:03, to the nearest second."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_eta(seconds: float | None) -> str:
    """Give the time that something still takes, in one width for most of them; None: nobody knows yet."""
    return f"{'-:--' if seconds is None else format_duration(seconds):>5} left"


def pluralize(count: int, noun: str) -> str:
    """Give a whole count and of what: 1 comment, 1,234 comments."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_si(count: float) -> str:
    """Give a count with three figures at most: 999, 1.2k, 35k, 1.2M."""
    for unit in ("", "k", "M", "G"):
        if count < 999.5:
            return f"{count:.0f}{unit}" if not unit or count >= 9.95 else f"{count:.1f}{unit}"
        count /= 1000
    return f"{count:.0f}T"


def format_float(value: float | None, decimals: int = 3) -> str:
    """Give a figure with fixed places, or a dash where there is none."""
    return "-" if value is None else f"{value:.{decimals}f}"
