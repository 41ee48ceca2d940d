"""The fields that the options of a run need: an option that cannot work on a source is refused, not ignored."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from grucli.errors import UsageError
from grucli.read.fields import FIELDS
from grucli.read.missing import is_missing
from grucli.read.schema import Schema, missing_field_error, quote_source
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.registry import given_options
from grucli.reddit.comments import Comment

_FIELDS_OF_REPLIES = ("id", "parent_id")
_MAX_UNREAD_SHARE = 0.5


class RequiredField(NamedTuple):
    """An option that was given, and the field that it needs."""

    option: str
    field: str


def required_fields(config: RuleConfig, *, replies: bool) -> list[RequiredField]:
    """Return what the given options need.

    >>> required_fields(RuleConfig(min_score=2), replies=False)
    [RequiredField(option='--min-score', field='score')]
    """
    given = [RequiredField(option, rule.field) for rule, option in given_options(config) if rule.field]
    return given + [RequiredField("--replies", field) for field in _FIELDS_OF_REPLIES if replies]


def check_columns(required: Sequence[RequiredField], schema: Schema) -> None:
    """Check that a source has the columns that the options need. A source without any column has no rows.

    Raises:
        UsageError: it lacks one.
    """
    for option, field in required:
        if schema.names and field not in schema.columns:
            raise missing_field_error(schema, option, field)


class FieldCounts:
    """Counts the values of the required fields of one source, since a column may be there and empty."""

    def __init__(self, required: Sequence[RequiredField]) -> None:
        self._required = required
        self._comments = 0
        self._found: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()

    def add(self, comments: int, found: Counter[str], unread: Counter[str]) -> None:
        """Add the counts of a batch: its comments, and by field the values, and those that could not be read."""
        self._comments += comments
        self._found += found
        self._unread += unread

    def check(self, schema: Schema) -> None:
        """Check the counts of all comments of the source.

        Raises:
            UsageError: no comment has a field that an option needs, or most of its values could not be read.
        """
        for option, field in self._required:
            found, unread = self._found[field], self._unread[field]
            if unread > _MAX_UNREAD_SHARE * (found + unread):
                raise UsageError(
                    f"{unread:,} of {found + unread:,} {FIELDS[field].plural} in "
                    f"{quote_source(schema.name)} cannot be read, which {option} needs",
                    f"name another column with {FIELDS[field].flag}, or remove {option}",
                )
            if self._comments and not found:
                raise missing_field_error(schema, option, field)


def count_fields(comments: Sequence[Comment], required: Sequence[RequiredField]) -> Counter[str]:
    """Return for each required field how many comments have it."""
    fields = {each.field for each in required}
    return Counter({field: sum(not is_missing(getattr(comment, field)) for comment in comments) for field in fields})
