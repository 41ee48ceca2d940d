"""Makes integers of the times and scores of a batch, which sources spell in many ways."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter

from grucli.read.blocks import RowReport
from grucli.read.missing import is_missing
from grucli.read.scores import parse_score
from grucli.reddit.comments import Comment
from grucli.reddit.timestamps import MAX_SECONDS, DateOrder, parse_time


def parse_number_fields(
    line_numbers: Sequence[int], comments: Sequence[Comment], order: DateOrder | None, unread: RowReport
) -> None:
    """Replace times and scores by integers, or by None where there is none; `unread` counts by field what is neither.

    Args:
        line_numbers: of the comments.
        comments: changed in place.
        order: see `date_order`.
        unread: values that could not be read.
    """
    parsers: dict[str, Callable[[object], int | None]] = {
        "created_utc": partial(parse_time, order=order),
        "score": parse_score,
    }
    for field, parse in parsers.items():
        values = list(map(attrgetter(field), comments))
        if {int}.issuperset(map(type, values)) and (field != "created_utc" or max(values, default=0) < MAX_SECONDS):
            continue
        for line_number, comment, value in zip(line_numbers, comments, values, strict=True):
            if type(value) is not int or value >= MAX_SECONDS:
                number = parse(value)
                setattr(comment, field, number)
                if number is None and not is_missing(value):
                    unread.skip(field, line_number)
