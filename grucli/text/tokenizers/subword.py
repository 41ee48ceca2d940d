"""Byte-pair encoding by sentencepiece: whatever is not in a piece falls back to its bytes, so nothing is unknown.

The ids: the special tokens, the newline, the 256 bytes, the space, then the pieces learned. A piece is text with at
most one space, in front; sentencepiece writes that space as U+2581, so a literal U+2581 is spelled in bytes here, and
the space never may be. A model is kept as its list of pieces alone, and the message that sentencepiece loads is built
from it: its parser never meets the bytes of a stranger.
"""

import io
import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from grucli.text.tokenizers.base import (
    SPECIALS,
    Tokenizer,
    checked_pieces,
    chosen_vocab,
    damaged,
    without_surrogates,
)

DEFAULT_VOCAB = 1024
LEAST_VOCAB = 300
_NEWLINE = SPECIALS
_BYTES = _NEWLINE + 1
_LEARNED = _BYTES + 256 + 1
_MARK = "\u2581"
_MARK_IDS = [_BYTES + byte for byte in _MARK.encode()]
_RESERVED = re.compile(r"<0x[0-9A-F]{2}>")
_LONGEST_LEARNED = 16
"""Characters of a piece: sentencepiece's own limit."""

_SEGMENT = 2000
"""Characters. The time of one call grows faster than the text, so that a long text is encoded in segments."""

_SAMPLE = 4_000_000
"""Characters that pieces are learned from."""

_COVERAGE = 0.9995
"""The share of all characters that get pieces of their own; the rest are spelled in bytes."""


class SubwordTokenizer(Tokenizer):
    """Knows `learned`, in the order in which they were merged."""

    kind = "subword"

    def __init__(self, learned: Sequence[str]) -> None:
        super().__init__([b"\n", *(bytes([byte]) for byte in range(256)), b" ", *(piece.encode() for piece in learned)])
        self._learned = list(learned)
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=_model(self._learned))

    def encode_counting(self, text: str) -> tuple[NDArray[np.int32], int]:
        """The ids of `text`, int32 [N], and 0: nothing is ever unknown."""
        return _flat(self._encode_segments(list(_segments(without_surrogates(text))))), 0

    def encode_all(self, texts: Sequence[str], leads: Sequence[int]) -> tuple[NDArray[np.int32], int]:
        """As for every tokenizer, in one call of sentencepiece for all the texts."""
        segments: list[str] = []
        begins: list[int] = []
        for text in texts:
            begins.append(len(segments))
            segments.extend(_segments(without_surrogates(text)))
        parts = self._encode_segments(segments)
        for begin, lead in zip(begins, leads, strict=True):
            parts[begin].insert(0, lead)
        return _flat(parts), 0

    def _encode_segments(self, segments: list[str]) -> list[list[int]]:
        parts: list[list[int]] = self._processor.encode(segments, out_type=int) if segments else []
        for place, segment in enumerate(segments):
            if segment == _MARK:
                parts[place] = list(_MARK_IDS)
        return parts

    def cut(self, text: str) -> list[str]:
        """Its pieces; a character without one stands at the last of its bytes."""
        return list(map(self.decoder().push, self.encode(text).tolist()))

    def to_json(self) -> dict[str, object]:
        """`{"kind": "subword", "pieces": […]}`."""
        return {"kind": self.kind, "pieces": self._learned}


def learn(texts: Iterable[str], vocab: int | None) -> SubwordTokenizer:
    """Learn pieces from an even sample of `texts`, at most `vocab` tokens in all (by default 1024).

    Raises:
        UsageError: a vocabulary out of range.
    """
    room = chosen_vocab(vocab, DEFAULT_VOCAB, LEAST_VOCAB) - _LEARNED
    sample = _Sample()
    for text in texts:
        for segment in _segments(without_surrogates(text)):
            sample.add(segment)
    sentences = list(_sentences(sample.kept, room // 2))
    return SubwordTokenizer(_pieces(sentences, room) if sentences else [])


def from_json(data: dict[str, object]) -> SubwordTokenizer:
    """The tokenizer that `to_json` described.

    Raises:
        ModelFileError: it is no such description.
    """
    pieces = checked_pieces(data.get("pieces"), "pieces")
    if not all(_fits(piece) for piece in pieces):
        raise damaged("one of its pieces cannot be cut from a text")
    return SubwordTokenizer(pieces)


def _fits(piece: str) -> bool:
    """Whether a piece keeps to what makes slices of a text independent, and to names that are free."""
    inside = " " in piece[1:] or any(mark in piece for mark in ("\n", "\0", _MARK))
    return piece != " " and len(piece) <= _LONGEST_LEARNED and not inside and not _RESERVED.fullmatch(piece)


class _Sample:
    """An even sample of a stream: every n-th segment, where n doubles whenever there are too many."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self._size = 0
        self._seen = 0
        self._every = 1

    def add(self, segment: str) -> None:
        if self._seen % self._every == 0:
            self.kept.append(segment)
            self._size += len(segment)
        self._seen += 1
        while self._size > _SAMPLE:
            self.kept = self.kept[::2]
            self._size = sum(map(len, self.kept))
            self._every *= 2


def _segments(text: str) -> Iterator[str]:
    """Cut a long text where the ids cannot tell, before a space or newline. U+2581 stands alone."""
    if len(text) <= _SEGMENT and _MARK not in text:
        yield text
        return
    for part in re.split(f"({_MARK})", text):
        begin = 0
        while len(part) - begin > _SEGMENT:
            end = max(part.rfind(" ", begin + 1, begin + _SEGMENT), part.rfind("\n", begin + 1, begin + _SEGMENT))
            end = begin + _SEGMENT if end < 0 else end
            yield part[begin:end]
            begin = end
        yield part[begin:]


def _sentences(sample: list[str], symbols: int) -> Iterator[str]:
    """The lines of the sample, broken wherever one of its rare characters stands; at most `symbols` are not rare."""
    counts = Counter[str]()
    for segment in sample:
        counts.update(segment)
    for never in ("\n", "\0", "\t", "\r", _MARK):
        counts.pop(never, None)
    enough = _COVERAGE * counts.total()
    kept, covered = [], 0
    for symbol, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:symbols]:
        if covered >= enough:
            break
        kept.append(symbol)
        covered += count
    if kept:
        runs = re.compile("[" + "".join(map(re.escape, kept)) + "]+")
        for segment in sample:
            yield from runs.findall(segment)


def _pieces(sentences: list[str], room: int) -> list[str]:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        model_type="bpe",
        vocab_size=room + 2,  # with its own unknown piece and the space
        hard_vocab_limit=False,
        character_coverage=1.0,
        max_sentence_length=1 << 20,
        max_sentencepiece_length=_LONGEST_LEARNED,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    pieces = [processor.id_to_piece(number).replace(_MARK, " ") for number in range(1, processor.get_piece_size())]
    return [piece for piece in pieces if _fits(piece)][:room]


def _flat(parts: list[list[int]]) -> NDArray[np.int32]:
    return np.fromiter(chain.from_iterable(parts), dtype=np.int32, count=sum(map(len, parts)))


# The message that sentencepiece loads (sentencepiece_model.proto, protocol buffers): a list of pieces with their scores
# and types, and the few settings that encoding obeys.

_NORMAL, _UNKNOWN_TYPE, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6


def _model(learned: list[str]) -> bytes:
    # No learned piece holds a newline, so these three names cannot be taken.
    pieces = [("\n0", 0.0, _UNKNOWN_TYPE), ("\n1", 0.0, _CONTROL), ("\n2", 0.0, _CONTROL), ("\n", 0.0, _USER_DEFINED)]
    pieces += [(f"<0x{byte:02X}>", 0.0, _BYTE) for byte in range(256)]
    pieces += [(piece.replace(" ", _MARK), -float(rank), _NORMAL) for rank, piece in enumerate([" ", *learned])]
    trainer = _number(3, 2) + _number(35, 1) + _number(40, 0) + b"".join(_number(n, -1) for n in (41, 42, 43))
    normalizer = _bytes(1, b"identity") + _number(3, 0) + _number(4, 0) + _number(5, 1)
    return b"".join(_bytes(1, _piece(*piece)) for piece in pieces) + _bytes(2, trainer) + _bytes(3, normalizer)


def _piece(text: str, score: float, kind: int) -> bytes:
    return _bytes(1, text.encode()) + _varint(2 << 3 | 5) + struct.pack("<f", score) + _number(3, kind)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value % (1 << 64))


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
