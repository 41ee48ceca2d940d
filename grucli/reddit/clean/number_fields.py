"""Makes integers of the times and scores of a batch, which sources spell in many ways."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from grucli.read.blocks import RowReport
from grucli.read.missing import is_missing
from grucli.read.scores import parse_score
from grucli.reddit.comments import Comment
from grucli.reddit.timestamps import MAX_SECONDS, DateOrder, parse_time

_INTEGER = frozenset({int})


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
    times: list[Any] = [comment.created_utc for comment in comments]
    scores: list[Any] = [comment.score for comment in comments]
    if not _INTEGER.issuperset(map(type, times)) or max(times, default=0) >= MAX_SECONDS:
        _parse_field("created_utc", times, partial(parse_time, order=order), line_numbers, comments, unread)
    if not _INTEGER.issuperset(map(type, scores)):
        _parse_field("score", scores, parse_score, line_numbers, comments, unread)


def _parse_field(
    name: str,
    values: Sequence[object],
    parse: Callable[[object], int | None],
    line_numbers: Sequence[int],
    comments: Sequence[Comment],
    unread: RowReport,
) -> None:
    for line_number, comment, value in zip(line_numbers, comments, values, strict=True):
        if type(value) is not int or value >= MAX_SECONDS:
            number = parse(value)
            setattr(comment, name, number)
            if number is None and not is_missing(value):
                unread.skip(name, line_number)
