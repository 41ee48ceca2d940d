"""The documents of a text, as the units of its statistics: comments, conversations, or paragraphs of a running text."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.errors import GruError
from grucli.text.dataset import CONTINUATION
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import EOS, UNK, Tokenizer

DocumentKind = Literal["comments", "conversations", "paragraphs"]

_BATCH_CHARS = 1 << 20
_BLANK_LINES = re.compile(r"\n\s*\n")
_SAFE_SPLIT = re.compile(r"(?<!\s)[ \n]")
"""Where any tokenizer may split a text."""


class Documents(NamedTuple):
    """D documents of a text, in order.

    kind: what they are. starts int64 [D]: the position in the token file of the input that predicts the first token of
    each. characters, words, unknown_bytes int64 [D]: of each; words are separated by white space.
    """

    kind: DocumentKind
    starts: NDArray[np.int64]
    characters: NDArray[np.int64]
    words: NDArray[np.int64]
    unknown_bytes: NDArray[np.int64]


def measure_documents(pieces: Iterable[tuple[int, str]], tokenizer: Tokenizer, tokens: TokenFile) -> Documents:
    """Return the documents of a text, given its pieces as `read_split` yields them and its token file.

    A paragraph ends at a blank line, or a word later where a tokenizer cannot split there.

    Raises:
        GruError: the pieces are not those of the token file.
    """
    running_text = tokens.running_text
    kind: DocumentKind = "paragraphs" if running_text else "conversations" if tokens.conversations else "comments"
    parts = chain.from_iterable(map(_paragraphs, pieces)) if running_text else pieces
    batches = [_measure_batch(batch, tokenizer) for batch in _batches(parts)]
    is_start, lengths, *figures = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    ends = np.cumsum(lengths if running_text else lengths + 1)  # a running text has one prefix token in all
    if ends[-1] != tokens.tokens - running_text:
        raise GruError("the text changed while it was read", "run the command again")
    firsts = np.flatnonzero(is_start)
    starts = np.concatenate([[0], ends])[firsts]
    return Documents(kind, starts, *(np.add.reduceat(each, firsts) for each in figures))


def _paragraphs(piece: tuple[int, str]) -> Iterator[tuple[int, str]]:
    """The parts of a slice of running text: EOS begins a paragraph."""
    prefix_token, text = piece
    begin = 0
    for blank in _BLANK_LINES.finditer(text):
        cut = _SAFE_SPLIT.search(text, blank.start()) if begin <= blank.start() and blank.end() < len(text) else None
        if cut is None:
            continue
        if cut.start() > begin:
            yield prefix_token, text[begin : cut.start()]
        elif prefix_token != CONTINUATION:
            continue
        prefix_token, begin = EOS, cut.start()
    yield prefix_token, text[begin:]


def _batches(parts: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """The parts, many short ones at a time."""
    batch, characters = list[tuple[int, str]](), 0
    for part in parts:
        batch.append(part)
        characters += len(part[1])
        if characters >= _BATCH_CHARS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _measure_batch(parts: list[tuple[int, str]], tokenizer: Tokenizer) -> tuple[NDArray[np.int64], ...]:
    """Of each part: whether a document begins, tokens, characters, words and unknown bytes, int64 [parts] each."""
    texts = [text for _, text in parts]
    ids, has_unknown = tokenizer.encode_batch(texts, [EOS] * len(texts))
    marks = np.flatnonzero(ids == EOS)
    unknown = np.zeros(len(texts), np.int64)
    if has_unknown:
        for index in np.unique(np.searchsorted(marks, np.flatnonzero(ids == UNK)) - 1).tolist():
            unknown[index] = tokenizer.encode_with_unknown_count(texts[index])[1]
    return (
        np.array([prefix_token == EOS for prefix_token, _ in parts], np.int64),
        np.diff(marks, append=len(ids)) - 1,
        np.array([len(text) for text in texts], np.int64),
        np.array([len(text.split()) for text in texts], np.int64),
        unknown,
    )
