"""Chooses the columns of a source by their names, their first values, and what the user said."""

import re
from collections.abc import Iterable, Mapping, Sequence

from grucli.errors import UsageError, list_names, quote
from grucli.read.fields import FIELDS, TEXT
from grucli.read.missing import is_missing
from grucli.read.schema import ReadOptions
from grucli.read.scores import parse_score

POST_TEXT_NAMES = ("selftext", "posttext", "postbody", "submissiontext", "submissionbody", "selfpost", "title")
"""Usual names of texts of posts, not of comments."""

POST_FIELDS = frozenset(
    ("selftext", "selftexthtml", "isself", "upvoteratio", "numcomments", "commsnum", "numberofcomments")
)
"""Names of fields that only posts have."""

_POST_SIGNS = POST_FIELDS | {"commentcount", "comments"}
"""The same where there is a title too."""

_RENDERED = {"textdisplay": "textoriginal"}
"""Columns that repeat another one in mark-up: the text only where the other is missing."""


def normalize_name(name: str) -> str:
    """Return a column name without case, and with letters and digits only.

    >>> normalize_name("Comment Text"), normalize_name("created_utc"), normalize_name("_id")
    ('commenttext', 'createdutc', 'id')
    """
    return "".join(filter(str.isalnum, name.lower()))


def may_be_field(name: str, field: str) -> bool:
    """Return True if this name of a column is usual for a field.

    >>> may_be_field("comment_author", "author"), may_be_field("score", "author")
    (True, False)
    """
    return field in field_ranks(name)


def count_usual_names(names: Iterable[str]) -> int:
    """Return how many of these names are usual for some field."""
    return sum(bool(field_ranks(name)) for name in names)


def names_text(names: Iterable[str], *, of_posts: bool = True) -> bool:
    """Return True if one of these names is usual for the text of a comment or, unless excluded, of a post."""
    post_texts = POST_TEXT_NAMES if of_posts else ()
    return any(TEXT in field_ranks(name) or normalize_name(name) in post_texts for name in names)


Sample = Sequence[Mapping[str, object]]
"""The fields of the first records of a source."""

_SEPARATORS = re.compile(r"[./]+")
_PREFIX = re.compile(r"comment|comm(?=[^a-z])")
_OTHER_OBJECTS = re.compile(r"subreddit|communit|post|submission|link|parent|video|media|author|user|from|channel")


def _spellings(name: str) -> list[str]:
    """Return what a name may be looked up as, without "comment" before it or the objects it stands in.

    >>> _spellings("comment_score"), _spellings("data.author"), _spellings("subreddit.id")
    (['commentscore', 'score'], ['dataauthor', 'author'], ['subredditid'])
    """
    *objects, last = _SEPARATORS.split(name.lower())
    parts = [name.lower(), last] if objects and not _OTHER_OBJECTS.search("".join(objects)) else [name.lower()]
    spelled = [normalize_name(each) for part in parts for each in (part, _without_prefix(part))]
    return list(dict.fromkeys(filter(None, spelled)))


def _without_prefix(name: str) -> str:
    prefix = _PREFIX.match(name)
    return name[prefix.end() :] if prefix else name


def _is_of_comment(name: str) -> bool:
    return _PREFIX.match(name.lower()) is not None


_FIELDS_OF: dict[str, list[tuple[str, int]]] = {}
for _field, _described in FIELDS.items():
    for _place, _name in enumerate(_described.usual_names):
        _FIELDS_OF.setdefault(_name, []).append((_field, _place))


def field_ranks(name: str) -> dict[str, tuple[int, int]]:
    """Return the fields that a name is usual for, and how usual it is for each, lowest first.

    >>> field_ranks("comment_author"), field_ranks("made up")
    ({'author': (0, 1)}, {})
    """
    ranks: dict[str, tuple[int, int]] = {}
    for place, spelling in enumerate(_spellings(name)):
        for field, rank in _FIELDS_OF.get(spelling, ()):
            ranks[field] = min(ranks.get(field, (rank, place)), (rank, place))
    return ranks


_NUMBER = re.compile(r"[+-]?[0-9][0-9.,  ]*%?|[+-]?[0-9.]+[eE][+-]?[0-9]+|nan|NaN|inf")
_DATE = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[T ,].{0,40})?")
_URL = re.compile(r"(?:https?://|www\.|/?r/)\S+")
_PROFILE = re.compile(r"reddit\.com/(?:u|user)/", re.IGNORECASE)
_USER = re.compile(r"/?u/[\w-]+|@[\w.-]+|\[(?:deleted|removed)\]")
_FULLNAME = re.compile(r"t[1-6]_[0-9a-z]+")
_KINDS = {"number": _NUMBER, "date": _DATE, "URL": _URL, "user": _USER, "fullname": _FULLNAME}
_CONSTANTS = frozenset({"true", "false", "none", "null"})
_PROSE_WORDS, _PROSE_CHARS = 4, 60


def kind_of(value: object) -> str | None:
    """Return what a value is if it is no text, and not a name of a column either: "number", "date", ….

    >>> kind_of("2023-11-14 22:13"), kind_of("u/made_up"), kind_of("-3"), kind_of("Well, yes."), kind_of("score")
    ('date', 'user', 'number', None, None)
    """
    if not isinstance(value, str):
        return "number" if isinstance(value, int | float) else None
    text = value.strip()
    if text.lower() in _CONSTANTS:
        return "constant"
    return next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(text)), None)


def is_prose(value: str) -> bool:
    """Return True if a value is a sentence rather than the name of a column."""
    words = value.split()
    ends = value.rstrip().endswith((".", "!", "?", "…"))
    return len(words) >= _PROSE_WORDS or len(value) > _PROSE_CHARS or (ends and len(words) > 1)


def _values(sample: Sample, key: str) -> list[object]:
    return [value for fields in sample if (value := fields.get(key)) not in (None, "")]


def _average_words(sample: Sample, key: str) -> float:
    texts = [value for value in _values(sample, key) if isinstance(value, str) and kind_of(value) is None]
    return sum(len(text.split()) for text in texts) / len(sample) if texts else 0.0


def _may_be_text(name: str, values: list[object]) -> bool:
    return (
        not values
        or TEXT in _spellings(name)
        or any(isinstance(value, str) and kind_of(value) is None for value in values)
    )


def _may_be_id(name: str, values: list[object]) -> bool:
    if normalize_name(name) == "name":
        return bool(values) and all(kind_of(value) == "fullname" for value in values)
    return all(isinstance(value, int) or (isinstance(value, str) and not _SPACE.search(value)) for value in values)


def _may_be_author(name: str, values: list[object]) -> bool:
    return all(
        isinstance(value, str | int) and (_PROFILE.search(str(value)) or kind_of(value) not in ("fullname", "URL"))
        for value in values
    )


def _may_be_score(name: str, values: list[object]) -> bool:
    known = [value for value in values if not is_missing(value)]
    return 2 * sum(parse_score(value) is not None for value in known) >= len(known)


def _is_scalar(name: str, values: list[object]) -> bool:
    return all(isinstance(value, str | int | float) for value in values)


_SPACE = re.compile(r"\s")
_CHECKS = {TEXT: _may_be_text, "author": _may_be_author, "score": _may_be_score} | dict.fromkeys(
    ("id", "parent_id", "link_id", "thread"), _may_be_id
)
"""Whether a column of a usual name holds what a field needs, by its values in the first rows."""


class ColumnChooser:
    """Chooses the columns of one source.

    Args:
        source: its name, for errors.
        names: the columns as the source names them.
        keys: the key of each column in the fields of a record.
        sample: the first records.
        options: the columns that the user named.
        numbered: whether a column may be chosen by its number.
        named: whether the names are certain not to be a row, which no error may quote.
    """

    def __init__(
        self,
        source: str,
        names: Sequence[str],
        keys: Sequence[str],
        sample: Sample,
        options: ReadOptions,
        *,
        numbered: bool = True,
        named: bool = True,
    ) -> None:
        self.names = tuple(names)
        self._source = source
        self._keys = keys
        self._columns = list(zip(keys, names, strict=True))
        self._sample = sample
        self._options = options
        self._numbered = numbered
        self._named = named
        self.passed_over: dict[str, str] = {}

    def choose(self, *, needs_text: bool = True) -> dict[str, str]:
        """Return the key of each field that the source has; without `needs_text` it need not have a text.

        Raises:
            UsageError: the source lacks a column that the user named, or it is not clear which one is the text.
        """
        given = {name: self._given(name, column) for name, column in self._options.columns.items()}
        columns = {TEXT: given[TEXT]} if TEXT in given else {}
        if TEXT not in given and (text := self._text(needs_text)) is not None:
            columns[TEXT] = text
        taken = {*columns.values(), *given.values()}
        for name in FIELDS:
            chosen = given.get(name) or (self._usual(name, taken, columns) if name != TEXT else None)
            if chosen is not None:
                columns[name] = chosen
                taken.add(chosen)
        return columns

    def choose_by_values(self) -> dict[str, str]:
        """Return the same for a table without names of columns: the text is the column with the longest texts.

        Raises:
            UsageError: the source lacks a column that the user named.
        """
        columns = {name: self._given(name, column) for name, column in self._options.columns.items()}
        if TEXT not in columns:
            columns[TEXT] = self._likeliest_text()
        return columns

    def _likeliest_text(self) -> str:
        return next(iter(self.likely_texts()), self._keys[0])

    def check_headerless(self, is_tsv: bool) -> None:
        """Refuse a table whose first line seems to be a row, unless it is a `.tsv` with its text in the first column.

        Raises:
            UsageError: it is; the hint says how to read it.
        """
        likely = self._likeliest_text()
        if is_tsv and (likely == self._keys[0] or TEXT in self._options.columns):
            return
        column = f" --column {likely}" if len(self._keys) > 1 else ""
        raise UsageError(f"'{self._source}' seems to have no header", f"use --no-header{column}")

    def likely_texts(self) -> list[str]:
        """Return the keys of the columns that hold texts, the longest texts first."""
        words = {key: _average_words(self._sample, key) for key in self._keys}
        return sorted((key for key, average in words.items() if average > 0), key=lambda key: -words[key])

    def missing_error(self, column: str) -> UsageError:
        """Return the error for a column that is not there. Its hint names the likely ones first."""
        return UsageError(
            f"'{self._source}' has no column {quote(column)}", f"choose with --column among: {self._listed()}"
        )

    def _listed(self) -> str:
        if not self._named:
            return f"1 to {len(self._keys)}; or use --no-header if the first line is a row"
        return list_names(self._likeliest_first(self._keys))

    def _likeliest_first(self, keys: Sequence[str]) -> list[str]:
        wanted = set(keys)
        return list(dict.fromkeys([*(key for key in self.likely_texts() if key in wanted), *keys]))

    def _given(self, name: str, column: str) -> str:
        """Return the key of the column that the user named: exactly, by number, or by a name that is unique."""
        if column in self._keys:
            return column
        if self._numbered and column.isdecimal() and 0 < int(column) <= len(self._keys):
            return self._keys[int(column) - 1]
        same = [key for key, each in self._columns if is_same_name(each, column)]
        if len(same) == 1:
            return same[0]
        if name == TEXT:
            raise self.missing_error(column)
        raise UsageError(
            f"'{self._source}' has no column {quote(column)} ({FIELDS[name].flag})",
            f"it has: {self._listed()}",
        )

    def _text(self, needs_text: bool) -> str | None:
        candidates = self._candidates(TEXT, set())
        exact = (
            [key for key, name in candidates if name == TEXT]
            or [key for key, name in candidates if TEXT in _spellings(name)[:1]]
            or [key for key, name in candidates if TEXT in _spellings(name)]
        )
        if len(exact) == 1:
            return exact[0]
        real = [key for key, name in self._columns if not _is_index(name)]
        if len(real) == 1:
            return real[0]
        is_posts = self._is_posts()
        texts = exact or [
            key for key, name in self._without_rendered(candidates) if not is_posts or _is_of_comment(name)
        ]
        if len(texts) == 1:
            return texts[0]
        if not texts and not is_posts:
            texts = [key for key, name in self._columns if normalize_name(name) in POST_TEXT_NAMES[:-1]]
            if len(texts) == 1:
                return texts[0]
        if needs_text:
            raise self._text_error(texts)
        return None

    def _text_error(self, candidates: list[str]) -> UsageError:
        if candidates:
            several = list_names(self._likeliest_first(candidates))
            return UsageError(
                f"'{self._source}' has several columns that may be the text: {several}", "choose one with --column"
            )
        if self._is_posts():
            return UsageError(
                f"'{self._source}' has posts, not comments: no column '{TEXT}'",
                f"choose their text with --column among: {self._listed()}",
            )
        return self.missing_error(TEXT)

    def _is_posts(self) -> bool:
        names = set(map(normalize_name, self.names))
        return "title" in names and not _POST_SIGNS.isdisjoint(names)

    def _without_rendered(self, candidates: list[tuple[str, str]]) -> list[tuple[str, str]]:
        spellings = {spelling for _, name in candidates for spelling in _spellings(name)}
        return [(key, name) for key, name in candidates if _RENDERED.get(_spellings(name)[-1]) not in spellings]

    def _usual(self, name: str, taken: set[str], columns: Mapping[str, str]) -> str | None:
        """Return the column that is most usual for a field, after those of other fields.

        In a table with comments and their posts, `comment_score` is the score of the text `comment_body`. Where rows
        name their parents, a thread is a tree of replies: no conversation of consecutive rows, unless called `thread`.
        """
        candidates = self._candidates(name, taken)
        if name == "thread" and "parent_id" in columns:
            candidates = [each for each in candidates if normalize_name(each[1]) == name]
        if columns.get(TEXT) not in (None, TEXT):
            candidates.sort(key=lambda one: not _is_of_comment(one[1]))
            if name == "author" and self._is_posts():  # the author is that of the post
                candidates.sort(key=lambda one: one[1] == "author")
        if not candidates:
            return None
        (chosen, chosen_name), *others = candidates
        if others and chosen_name != name:
            self.passed_over[name] = others[0][0]
        return chosen

    def _candidates(self, name: str, taken: set[str]) -> list[tuple[str, str]]:
        """Return key and name of the columns that may be a field, the most usual name first."""
        may_be = _CHECKS.get(name, _is_scalar)
        ranked = [
            (each != name, rank, key, each)
            for key, each in self._columns
            if key not in taken
            and (rank := (0, 0) if each == name else field_ranks(each).get(name)) is not None
            and (each == name or may_be(each, _values(self._sample, key)))
        ]
        return [(key, each) for _, _, key, each in sorted(ranked, key=lambda one: one[:2])]


KIND_NAMES = frozenset({"datatype", "kind", "type", "recordtype", "itemtype", "contenttype"})
COMMENT_KINDS = frozenset({"comment", "comments", "t1", "reply"})
OTHER_KINDS = frozenset(
    {"post", "posts", "submission", "link", "self", "t3", "community", "subreddit", "t5", "user", "t2"}
)
"""What a row is called, in lower case, that is not a comment."""


def kind_column(names: Sequence[str], keys: Sequence[str], sample: Sample) -> str | None:
    """Return the key of the column that tells comments from posts, where a table has both."""
    for name, key in zip(names, keys, strict=True):
        kinds = {str(value).lower() for value in _values(sample, key)} if normalize_name(name) in KIND_NAMES else ()
        if kinds and set(kinds) <= OTHER_KINDS | COMMENT_KINDS:
            return key
    return None


def is_same_name(name: str, other: str) -> bool:
    """Return True if two names differ only in case and signs, and are not numbers."""
    return any(map(str.isalpha, other)) and normalize_name(name) == normalize_name(other)


_INDEX_NAMES = frozenset({"", "index", "unnamed0", "rownames", "rowid", "unnamed01", "level0"})


def _is_index(name: str) -> bool:
    """Return True for the column of row numbers that pandas and R write first."""
    return normalize_name(name) in _INDEX_NAMES
