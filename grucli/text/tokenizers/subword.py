"""Byte-pair encoding (Sennrich 2016, arXiv:1508.07909) by sentencepiece, with byte fallback: nothing is unknown.

Ids: special tokens, newline, the 256 bytes, space, learned pieces. A piece is text with at most one space, in front.
sentencepiece represents that space by U+2581, so a literal U+2581 is encoded as bytes. A tokenizer is stored as its
list of pieces, and the model message for sentencepiece is built from it: its parser never sees untrusted bytes.
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
    NUM_SPECIAL_TOKENS,
    Tokenizer,
    check_vocab_size,
    corrupt_tokenizer_error,
    replace_surrogates,
    validate_pieces,
)

_DEFAULT_VOCABS = {2_000_000: 4096, 500_000: 2048, 0: 1024}
"""Default vocabulary size by the least characters of a text (`docs/recipes.md`)."""

MIN_VOCAB_SIZE = 300
_NEWLINE_ID = NUM_SPECIAL_TOKENS
_FIRST_BYTE_ID = _NEWLINE_ID + 1
_FIRST_PIECE_ID = _FIRST_BYTE_ID + 256 + 1
_SPACE_SYMBOL = "\u2581"
_SPACE_SYMBOL_IDS = [_FIRST_BYTE_ID + byte for byte in _SPACE_SYMBOL.encode()]
_RESERVED = re.compile(r"<0x[0-9A-F]{2}>")
_MAX_PIECE_CHARS = 16  # default of sentencepiece
_SEGMENT_CHARS = 2000  # a long text is encoded in segments, since the time per call is superlinear
_TRAIN_CHARS = 4_000_000
_CHARACTER_COVERAGE = 0.9995  # fraction of all characters that get a piece; the others are encoded as bytes


class SubwordTokenizer(Tokenizer):
    """Tokenizer for the pieces `learned`, in the order of their merges."""

    kind = "subword"

    def __init__(self, learned: Sequence[str]) -> None:
        super().__init__([b"\n", *(bytes([byte]) for byte in range(256)), b" ", *(piece.encode() for piece in learned)])
        self._learned = list(learned)
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=_serialize_model(self._learned))

    def encode_with_unknown_count(self, text: str) -> tuple[NDArray[np.int32], int]:
        """Return the ids of `text`, int32 [N], and 0: nothing is unknown."""
        return _flatten(self._encode_segments(list(_segments(replace_surrogates(text))))), 0

    def encode_batch(self, texts: Sequence[str], prefix_tokens: Sequence[int]) -> tuple[NDArray[np.int32], int]:
        """Return the ids of many texts, each after its prefix token."""
        segments: list[str] = []
        starts: list[int] = []
        for text in texts:
            starts.append(len(segments))
            segments.extend(_segments(replace_surrogates(text)))
        parts = self._encode_segments(segments)
        for start, prefix_token in zip(starts, prefix_tokens, strict=True):
            parts[start].insert(0, prefix_token)
        return _flatten(parts), 0

    def _encode_segments(self, segments: list[str]) -> list[list[int]]:
        parts: list[list[int]] = self._processor.encode(segments, out_type=int) if segments else []
        for index, segment in enumerate(segments):
            if segment == _SPACE_SYMBOL:
                parts[index] = list(_SPACE_SYMBOL_IDS)
        return parts

    def split(self, text: str) -> list[str]:
        """Return the pieces of `text`, and "" for all but the last byte of a character without one."""
        return list(map(self.decoder().push, self.encode(text).tolist()))

    def to_json(self) -> dict[str, object]:
        """Return {"kind": "subword", "pieces": […]}."""
        return {"kind": self.kind, "pieces": self._learned}

    def extend(self, texts: Iterable[str]) -> "SubwordTokenizer":
        """Return this tokenizer with the frequent characters of `texts` added.

        Longer pieces are not added: the network spells new words with pieces that it knows.
        """
        sample = _sample(texts)
        capacity = _default_vocab(sample.characters) - _FIRST_PIECE_ID
        new = self.missing(_frequent_characters(sample.segments, _max_characters(capacity)))
        return SubwordTokenizer([*self._learned, *new]) if new else self


def train(texts: Iterable[str], vocab: int | None) -> SubwordTokenizer:
    """Learn pieces from an even sample of `texts`, up to `vocab` tokens in all (by default, by its length).

    Raises:
        UsageError: `vocab` is out of range.
    """
    check_vocab_size(vocab, MIN_VOCAB_SIZE)  # before a long text is read
    sample = _sample(texts)
    capacity = (_default_vocab(sample.characters) if vocab is None else vocab) - _FIRST_PIECE_ID
    sentences = list(_sentences(sample.segments, _frequent_characters(sample.segments, _max_characters(capacity))))
    return SubwordTokenizer(_train_pieces(sentences, capacity) if sentences else [])


def from_json(data: dict[str, object]) -> SubwordTokenizer:
    """Return the tokenizer that `to_json` described.

    Raises:
        ModelFileError: `data` is not a valid description.
    """
    pieces = validate_pieces(data.get("pieces"), "pieces")
    if not all(_is_valid_piece(piece) for piece in pieces):
        raise corrupt_tokenizer_error("one of the pieces cannot occur in a text")
    return SubwordTokenizer(pieces)


def _is_valid_piece(piece: str) -> bool:
    """Return True if segments can be encoded independently with the piece, and its name is not reserved."""
    has_reserved = " " in piece[1:] or any(mark in piece for mark in ("\n", "\0", _SPACE_SYMBOL))
    return piece != " " and len(piece) <= _MAX_PIECE_CHARS and not has_reserved and not _RESERVED.fullmatch(piece)


class _SegmentSample:
    """Every n-th segment of a stream; n doubles whenever there are too many. `characters`: of the whole stream."""

    def __init__(self) -> None:
        self.segments: list[str] = []
        self.characters = 0
        self._size = 0
        self._num_seen = 0
        self._stride = 1

    def add(self, segment: str) -> None:
        if self._num_seen % self._stride == 0:
            self.segments.append(segment)
            self._size += len(segment)
        self.characters += len(segment)
        self._num_seen += 1
        while self._size > _TRAIN_CHARS:
            self.segments = self.segments[::2]
            self._size = sum(map(len, self.segments))
            self._stride *= 2


def _sample(texts: Iterable[str]) -> _SegmentSample:
    sample = _SegmentSample()
    for text in texts:
        for segment in _segments(replace_surrogates(text)):
            sample.add(segment)
    return sample


def _default_vocab(characters: int) -> int:
    return next(size for limit, size in _DEFAULT_VOCABS.items() if characters >= limit)


def _max_characters(capacity: int) -> int:
    """The number of characters that may have a piece, of `capacity` learned pieces."""
    return capacity // 2


def _segments(text: str) -> Iterator[str]:
    """Split a long text before a space or newline, which does not change the ids. U+2581 is a segment."""
    if len(text) <= _SEGMENT_CHARS and _SPACE_SYMBOL not in text:
        yield text
        return
    for part in re.split(f"({_SPACE_SYMBOL})", text):
        begin = 0
        while len(part) - begin > _SEGMENT_CHARS:
            end = max(
                part.rfind(" ", begin + 1, begin + _SEGMENT_CHARS), part.rfind("\n", begin + 1, begin + _SEGMENT_CHARS)
            )
            end = begin + _SEGMENT_CHARS if end < 0 else end
            yield part[begin:end]
            begin = end
        yield part[begin:]


def _frequent_characters(sample: list[str], limit: int) -> list[str]:
    """The characters of the sample that are not rare, the most frequent first, at most `limit`."""
    counts = Counter[str]()
    for segment in sample:
        counts.update(segment)
    for excluded in ("\n", "\0", "\t", "\r", _SPACE_SYMBOL):
        counts.pop(excluded, None)
    target_count = _CHARACTER_COVERAGE * counts.total()
    frequent, covered = [], 0
    for symbol, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]:
        if covered >= target_count:
            break
        frequent.append(symbol)
        covered += count
    return frequent


def _sentences(sample: list[str], frequent: list[str]) -> Iterator[str]:
    """The lines of the sample, split at the characters that are not `frequent`."""
    if frequent:
        runs = re.compile("[" + "".join(map(re.escape, frequent)) + "]+")
        for segment in sample:
            yield from runs.findall(segment)


def _train_pieces(sentences: list[str], capacity: int) -> list[str]:
    model_buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model_buffer,
        model_type="bpe",
        vocab_size=capacity + 2,  # with its own unknown piece and the space
        hard_vocab_limit=False,
        character_coverage=1.0,
        max_sentence_length=1 << 20,
        max_sentencepiece_length=_MAX_PIECE_CHARS,
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
    processor = sentencepiece.SentencePieceProcessor(model_proto=model_buffer.getvalue())
    pieces = [
        processor.id_to_piece(number).replace(_SPACE_SYMBOL, " ") for number in range(1, processor.get_piece_size())
    ]
    return [piece for piece in pieces if _is_valid_piece(piece)][:capacity]


def _flatten(parts: list[list[int]]) -> NDArray[np.int32]:
    return np.fromiter(chain.from_iterable(parts), dtype=np.int32, count=sum(map(len, parts)))


# The model message of sentencepiece (sentencepiece_model.proto, protocol buffers): pieces with scores and types, and
# the settings for encoding.

_NORMAL, _UNKNOWN_TYPE, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6


def _serialize_model(learned: list[str]) -> bytes:
    # Learned pieces have no newline, so the names of the special tokens are unique.
    pieces = [("\n0", 0.0, _UNKNOWN_TYPE), ("\n1", 0.0, _CONTROL), ("\n2", 0.0, _CONTROL), ("\n", 0.0, _USER_DEFINED)]
    pieces += [(f"<0x{byte:02X}>", 0.0, _BYTE) for byte in range(256)]
    pieces += [(piece.replace(" ", _SPACE_SYMBOL), -float(rank), _NORMAL) for rank, piece in enumerate([" ", *learned])]
    trainer = (
        _encode_int(3, 2) + _encode_int(35, 1) + _encode_int(40, 0) + b"".join(_encode_int(n, -1) for n in (41, 42, 43))
    )
    normalizer = _encode_bytes(1, b"identity") + _encode_int(3, 0) + _encode_int(4, 0) + _encode_int(5, 1)
    return (
        b"".join(_encode_bytes(1, _encode_piece(*piece)) for piece in pieces)
        + _encode_bytes(2, trainer)
        + _encode_bytes(3, normalizer)
    )


def _encode_piece(text: str, score: float, kind: int) -> bytes:
    return (
        _encode_bytes(1, text.encode()) + _encode_varint(2 << 3 | 5) + struct.pack("<f", score) + _encode_int(3, kind)
    )


def _encode_int(field: int, value: int) -> bytes:
    return _encode_varint(field << 3) + _encode_varint(value % (1 << 64))


def _encode_bytes(field: int, value: bytes) -> bytes:
    return _encode_varint(field << 3 | 2) + _encode_varint(len(value)) + value


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
