"""Tables in Markdown."""

from collections.abc import Iterable, Iterator


def markdown_row(*cells: object) -> str:
    """Return a row of a table; bars and line ends in a cell do not end it."""
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def markdown_table(names: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of a table."""
    head = tuple(names)
    yield markdown_row(*head)
    yield markdown_row(*("---" for _ in head))
    for row in rows:
        yield markdown_row(*row)
