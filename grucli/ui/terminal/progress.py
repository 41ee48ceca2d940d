"""How far something is, in one line: a bar and figures behind it. The same in every view, with colours and without."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

MIN_BAR, MAX_BAR = 6, 40  # columns


def progress_bar(console: Console, progress: float, fields: Sequence[str], width: int | None = None) -> Text:
    """A bar filled to `share`, then `fields`, in one line; those that do not fit are left out, the last ones first.

    The first field is worth more than a long bar. `room` is in columns, None for those of the console.
    """
    width = console.width - 1 if width is None else width
    caption = " · ".join(fit_fields(fields, width - MIN_BAR - 1) or fields[:1])
    columns = max(0, min(MAX_BAR, width - cell_len(caption) - 1))
    line = Text.assemble(bar(progress, columns, console.options.ascii_only), " ", (caption, "dim"))
    line.truncate(max(width, 1))
    return line


def bar(progress: float, columns: int, ascii_only: bool, style: str = "cyan") -> Text:
    """A bar alone. What is to come is drawn thinner: where there are no colours, nothing else would tell it."""
    filled = min(columns, max(0, round(columns * progress)))
    done, rest = "=-" if ascii_only else "━─"
    return Text.assemble((done * filled, style), (rest * (columns - filled), "dim"))


def fit_fields(fields: Sequence[str], width: int) -> list[str]:
    """The first of `fields` that fit into `room` columns when joined by ` · `, empty ones left out."""
    chosen: list[str] = []
    for field in filter(None, fields):
        if cell_len(" · ".join([*chosen, field])) > width:
            break
        chosen.append(field)
    return chosen
