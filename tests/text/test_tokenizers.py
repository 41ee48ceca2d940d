import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grucli.errors import ModelFileError, UsageError
from grucli.text import tokenizers
from grucli.text.tokenizers import EOS, EOT, KINDS, NUM_SPECIAL_TOKENS, UNK, Tokenizer, base, char, subword, word

TEXT = (
    "It was the best of times,\n\nit was the  worst of times... don't you think so?!\n"
    "   indented, with a tab\there and * * stars ** and_underscores_ 😝 naïve café ’tis 日本語\r\n"
) * 3
UNUSUAL_TEXT = (
    "a  b\n\n\n c \u2581\u2581x\u2581 \0 😝👩‍👩‍👧 <0x41><unk></s>\t\r\n…'' \u00a0\u2003 end \ufeff\U0010ffff   "
)

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
word_text = st.lists(
    st.sampled_from(["the", " ", "  ", "\n", "\n\n", "\t", "don't", "’", ".", "..", "!?", "_", "é", "x1", "\u2581"])
)


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return tokenizers.train(request.param, [TEXT])


@pytest.fixture(scope="module")
def subword_tokenizer() -> Tokenizer:
    return tokenizers.train("subword", [TEXT], 320)


def test_text_that_was_learned_comes_back_exactly(tokenizer: Tokenizer) -> None:
    ids, unknown_bytes = tokenizer.encode_with_unknown_count(TEXT)

    assert unknown_bytes == 0
    assert ids.dtype == np.int32
    assert ids.min() >= NUM_SPECIAL_TOKENS
    assert ids.max() < tokenizer.vocab_size == len(tokenizer.pieces)
    assert tokenizer.decode(ids) == TEXT
    assert tokenizer.token_lengths[ids].sum() == len(TEXT)


@given(any_text)
@example(UNUSUAL_TEXT)
@example("")
def test_subwords_know_every_text(subword_tokenizer: Tokenizer, text: str) -> None:
    ids, unknown_bytes = subword_tokenizer.encode_with_unknown_count(text)

    assert unknown_bytes == 0
    assert subword_tokenizer.decode(ids) == text
    assert subword_tokenizer.token_lengths[ids].sum() == len(text)


@given(any_text | word_text.map("".join))
@example(UNUSUAL_TEXT)
def test_words_cut_any_text_into_all_of_itself(text: str) -> None:
    learned = tokenizers.train("word", [text])

    assert learned.decode(learned.encode(text)) == text


@given(any_text)
@example(UNUSUAL_TEXT)
def test_characters_know_every_text_they_have_seen(text: str) -> None:
    learned = tokenizers.train("char", [text])

    assert learned.decode(learned.encode(text)) == text
    assert len(learned.encode(text)) == len(text)


@given(any_text)
@example(UNUSUAL_TEXT)
def test_what_is_unknown_is_counted_in_bytes(tokenizer: Tokenizer, text: str) -> None:
    ids, unknown_bytes = tokenizer.encode_with_unknown_count(text)
    known = b"".join(tokenizer.pieces[token] for token in ids)

    assert unknown_bytes == len(text.encode()) - len(known)
    assert (unknown_bytes > 0) == bool((ids == UNK).any())


@given(st.lists(st.tuples(any_text, st.sampled_from([EOS, EOT])), max_size=6))
@example([])
@example([("", EOS), ("\u2581", EOT), (UNUSUAL_TEXT, EOS), ("", EOT)])
def test_many_texts_at_once_are_the_texts_one_by_one(tokenizer: Tokenizer, rows: list[tuple[str, int]]) -> None:
    texts, prefix_tokens = [text for text, _ in rows], [prefix_token for _, prefix_token in rows]
    ids, unknown_bytes = tokenizer.encode_batch(texts, prefix_tokens)
    one_by_one = [[lead, *tokenizer.encode(text).tolist()] for text, lead in rows]

    assert ids.tolist() == [token for part in one_by_one for token in part]
    assert unknown_bytes == sum(tokenizer.encode_with_unknown_count(text)[1] for text in texts)


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_leads_as_texts(kind: str) -> None:
    with pytest.raises(ValueError, match=r"prefix_tokens|argument"):
        tokenizers.train(kind, [TEXT]).encode_batch(["a", "b"], [EOS])


@given(any_text)
@example(UNUSUAL_TEXT)
def test_a_stream_of_ids_gives_the_same_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    decoder = tokenizer.decoder()

    assert "".join(decoder.push(token) for token in ids.tolist()) + decoder.flush() == tokenizer.decode(ids)


@given(any_text | word_text.map("".join))
@example(UNUSUAL_TEXT)
@example("\ud800")
def test_a_text_is_cut_into_what_its_ids_stand_for(tokenizer: Tokenizer, text: str) -> None:
    parts, ids = tokenizer.split(text), tokenizer.encode(text).tolist()

    assert "".join(parts) == base.replace_surrogates(text)
    for part, token in zip(parts, ids, strict=True):
        known = tokenizer.pieces[token]
        assert token == UNK or known == part.encode() or (len(known) == 1 and part.encode()[-1:] in (b"", known))


def test_a_decoder_holds_back_half_a_character(subword_tokenizer: Tokenizer) -> None:
    ids = subword_tokenizer.encode("🜁").tolist()
    decoder = subword_tokenizer.decoder()

    assert [decoder.push(token) for token in ids] == ["", "", "", "🜁"]
    assert decoder.push(ids[0]) == ""
    assert decoder.flush() == "\ufffd"
    assert decoder.push(subword_tokenizer.encode("b").tolist()[0]) == "b"


def test_surrogates_are_no_characters(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("the \udc80").tolist() == tokenizer.encode("the \ufffd").tolist()
    assert tokenizers.train(tokenizer.kind, ["\ud800a" * 2]).to_json() == (
        tokenizers.train(tokenizer.kind, ["\ufffda" * 2]).to_json()
    )


@pytest.mark.slow
@given(st.integers(1, 40), st.integers(0, 20))
@settings(max_examples=20)
def test_a_long_text_may_be_encoded_in_slices(subword_tokenizer: Tokenizer, words: int, spaces: int) -> None:
    text = ("times" * words + " " * spaces + "worst\n") * 200
    by_lines = [subword_tokenizer.encode(line).tolist() for line in text.splitlines(keepends=True)]

    assert subword_tokenizer.encode(text).tolist() == [token for line in by_lines for token in line]


def test_a_long_text_without_a_space_is_encoded_whole(subword_tokenizer: Tokenizer) -> None:
    text = "x" * 9000 + "\u2581" + "日本" * 3000

    assert subword_tokenizer.decode(subword_tokenizer.encode(text)) == text


@pytest.mark.parametrize("kind", KINDS)
def test_the_most_frequent_symbols_are_known(kind: str) -> None:
    texts = ["once upon a time"] + ["zebra zebra zebra"] * 50
    learned = tokenizers.train(kind, texts, {"char": 9, "word": 5, "subword": 300}[kind])

    assert learned.vocab_size <= {"char": 9, "word": 5, "subword": 300}[kind]
    assert learned.encode_with_unknown_count("zebra zebra")[1] == 0
    assert learned.encode_with_unknown_count("upon")[1] == {"char": 4, "word": 4, "subword": 0}[kind]


def test_a_symbol_seen_once_in_a_long_text_teaches_the_unknown_token() -> None:
    learned = tokenizers.train("char", ["ab" * 6000, "c"])

    assert learned.encode("abc").tolist() == [3, 4, UNK]
    assert tokenizers.train("char", ["ab", "c"]).encode_with_unknown_count("abc")[1] == 0


def train_default(texts: list[str], *, running_text: bool) -> Tokenizer:
    return tokenizers.train_default(lambda: texts, char.count_characters(texts), running_text=running_text)


def test_the_default_vocabulary_covers_the_text() -> None:
    few = train_default([TEXT], running_text=False)
    assert few.to_json() == tokenizers.train("char", [TEXT]).to_json()
    syllables = "".join(map(chr, range(0xAC00, 0xAC00 + 1200)))
    korean = train_default([syllables] * 3, running_text=False)
    assert korean.kind == "char"
    assert korean.vocab_size == NUM_SPECIAL_TOKENS + 0.995 * 1200
    assert tokenizers.train("char", [syllables], 512).vocab_size == 512
    signs = "".join(map(chr, range(0x4E00, 0x4E00 + 4000)))
    assert tokenizers.train("char", [signs]).vocab_size == NUM_SPECIAL_TOKENS + 0.995 * 4000
    chinese = train_default([signs], running_text=False)
    assert chinese.kind == "subword"
    assert chinese.encode_with_unknown_count(signs)[1] == 0


def test_long_comments_are_read_as_subwords_and_running_text_as_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizers, "MIN_SUBWORD_CHARACTERS", len(TEXT))
    assert train_default([TEXT], running_text=False).kind == "subword"
    assert train_default([TEXT[:-1]], running_text=False).kind == "char"
    assert train_default([TEXT], running_text=True).kind == "char"


def test_a_longer_text_has_more_subwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subword, "_DEFAULT_VOCABS", {len(TEXT): 320, 0: 305})
    assert tokenizers.train("subword", [TEXT]).vocab_size == 320
    assert tokenizers.train("subword", [TEXT[:-1]]).vocab_size == 305
    assert tokenizers.train("subword", [TEXT], 310).vocab_size == 310
    monkeypatch.setattr(subword, "_TRAIN_CHARS", len(TEXT) - 1)  # the length counts, not that of the sample
    assert tokenizers.train("subword", TEXT.splitlines(keepends=True)).vocab_size > 305


@settings(max_examples=20)
@given(st.lists(any_text, max_size=4))
def test_the_default_vocabulary_leaves_at_most_a_two_hundredth_unknown(texts: list[str]) -> None:
    learned = train_default(texts, running_text=False)
    text = "".join(texts)
    known = int(learned.token_lengths[learned.encode(text)].sum())
    assert known >= 0.995 * len(text)


def test_learning_does_not_depend_on_the_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tokenizers.train("char", [TEXT]).to_json()
    monkeypatch.setattr(char, "_SLICE_CHARS", 7)

    assert tokenizers.train("char", iter(TEXT)).to_json() == whole


def test_counting_many_words_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tokenizers.train("word", TEXT.splitlines(keepends=True)).to_json()
    monkeypatch.setattr(word, "_MAX_COUNTED_WORDS", 200)

    assert tokenizers.train("word", TEXT.splitlines(keepends=True), 200).to_json() == whole


@pytest.mark.parametrize("kind", KINDS)
def test_learning_twice_gives_the_same(kind: str) -> None:
    assert tokenizers.train(kind, [TEXT]).to_json() == tokenizers.train(kind, [TEXT]).to_json()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texts", [[], [""], ["\n"], ["a"], ["a" * 5000], ["\u2581\0\t"]])
def test_next_to_no_text_can_be_learned(kind: str, texts: list[str]) -> None:
    learned = tokenizers.train(kind, texts)

    assert learned.decode(learned.encode("".join(texts))) in {"".join(texts), ""}


def test_counting_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word, "_MAX_COUNTED_WORDS", 100)
    noise = [f"n{number} the the" for number in range(2000)]
    learned = tokenizers.train("word", noise, 20)

    assert learned.pieces[NUM_SPECIAL_TOKENS] == b" the"
    assert b"n0" not in learned.pieces


def test_the_sample_for_subwords_is_bounded_and_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subword, "_TRAIN_CHARS", 1000)
    sample = subword._SegmentSample()
    for number in range(3000):
        sample.add(f"{number:05d}")
    kept = [int(segment) for segment in sample.segments]

    assert 100 <= len(kept) <= 200
    assert kept[0] == 0
    assert kept[-1] > 2900
    assert len(set(np.diff(kept))) == 1


def test_subwords_learn_whole_words_and_keep_rare_characters_out() -> None:
    learned = tokenizers.train("subword", [TEXT, "".join(map(chr, range(0x4E00, 0x5200)))], 400)

    assert b" times" in learned.pieces
    assert learned.vocab_size <= 400


def test_learning_and_loading_subwords_say_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    learned = tokenizers.train("subword", [TEXT, UNUSUAL_TEXT])
    tokenizers.from_json(learned.to_json()).encode(UNUSUAL_TEXT)

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("vocab", [0, -1, 3, base.MAX_VOCAB_SIZE + 1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_out_of_range_is_refused(kind: str, vocab: int) -> None:
    with pytest.raises(UsageError) as caught:
        tokenizers.train(kind, [TEXT], vocab)

    assert "--vocab" in caught.value.hint


def test_an_unknown_kind_is_refused_and_the_kinds_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        tokenizers.train("syllable", [TEXT])

    assert all(kind in caught.value.hint for kind in KINDS)


@given(any_text)
@example(UNUSUAL_TEXT)
def test_json_gives_the_same_tokenizer(tokenizer: Tokenizer, text: str) -> None:
    again = tokenizers.from_json(json.loads(json.dumps(tokenizer.to_json())))

    assert again.pieces == tokenizer.pieces
    assert again.encode(text).tolist() == tokenizer.encode(text).tolist()


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"kind": 1},
        {"kind": ["char"]},
        {"kind": "bpe"},
        {"kind": "char"},
        {"kind": "char", "symbols": 3},
        {"kind": "char", "symbols": "aba"},
        {"kind": "char", "symbols": "a\ud800"},
        {"kind": "char", "symbols": "\ud800" * (base.MAX_VOCAB_SIZE + 1)},
        {"kind": "word", "words": "abc"},
        {"kind": "word", "words": ["a", 1]},
        {"kind": "word", "words": ["a", ""]},
        {"kind": "word", "words": ["a", "a"]},
        {"kind": "word", "words": ["a" * 257]},
        {"kind": "word", "words": {"a": 1}},
        {"kind": "subword", "pieces": None},
        {"kind": "subword", "pieces": ["a", "a"]},
        {"kind": "subword", "pieces": ["a b"]},
        {"kind": "subword", "pieces": ["a\n"]},
        {"kind": "subword", "pieces": ["\0"]},
        {"kind": "subword", "pieces": ["\u2581"]},
        {"kind": "subword", "pieces": ["<0x41>"]},
        {"kind": "subword", "pieces": ["a" * 17]},
    ],
)
def test_a_damaged_description_is_refused(data: object) -> None:
    with pytest.raises(ModelFileError):
        tokenizers.from_json(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=8,
)


@given(st.sampled_from(KINDS), json_values, st.text(max_size=20))
def test_any_description_gives_a_tokenizer_or_a_model_file_error(kind: str, value: object, text: str) -> None:
    try:
        made = tokenizers.from_json({"kind": kind, "symbols": value, "words": value, "pieces": value})
    except ModelFileError:
        return
    ids = made.encode(text)

    assert ((ids >= 0) & (ids < made.vocab_size)).all()


@given(st.lists(st.text(st.sampled_from("ab \u00a0é日"), min_size=1, max_size=6), unique=True, max_size=30), any_text)
def test_hostile_pieces_never_break_a_text(chosen: list[str], text: str) -> None:
    try:
        made = tokenizers.from_json({"kind": "subword", "pieces": chosen})
    except ModelFileError:
        assert any(" " in piece[1:] or piece == " " for piece in chosen)
        return

    assert made.decode(made.encode(text + "ab 日éa")) == text + "ab 日éa"


def first_ids(kind: str) -> list[int]:
    return [int(token) for token in tokenizers.train(kind, [TEXT]).encode(TEXT)[:50]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_another_process_learns_the_same(kind: str) -> None:
    code = f"from tests.text.test_tokenizers import first_ids; print(first_ids({kind!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert json.loads(done.stdout) == first_ids(kind)


CYRILLIC_TEXT = "кот и пёс, кот и пёс ☕ " * 30


def test_an_extended_tokenizer_knows_more_and_nothing_else_changes(tokenizer: Tokenizer) -> None:
    extended = tokenizer.extend([CYRILLIC_TEXT])

    assert extended.pieces[: tokenizer.vocab_size] == tokenizer.pieces
    assert extended.vocab_size > tokenizer.vocab_size
    assert extended.encode(TEXT).tolist() == tokenizer.encode(TEXT).tolist()
    ids, unknown_bytes = extended.encode_with_unknown_count(CYRILLIC_TEXT)
    assert unknown_bytes == 0
    assert extended.decode(ids) == CYRILLIC_TEXT
    assert len(ids) <= len(CYRILLIC_TEXT)
    assert set("котипёс☕") <= set(extended.known_characters())
    assert not set("котипёс☕") & set(tokenizer.known_characters())
    assert tokenizers.from_json(json.loads(json.dumps(extended.to_json()))).pieces == extended.pieces


def test_a_tokenizer_that_lacks_nothing_is_not_extended(tokenizer: Tokenizer) -> None:
    assert tokenizer.extend([TEXT]) is tokenizer
    assert tokenizer.extend([]) is tokenizer
    extended = tokenizer.extend([CYRILLIC_TEXT])
    assert extended.extend([CYRILLIC_TEXT, TEXT]) is extended


@given(any_text, any_text)
def test_an_extension_keeps_what_the_base_knows(text: str, other: str) -> None:
    for kind in KINDS:
        first = tokenizers.train(kind, [text])
        extended = first.extend([other])
        assert extended.pieces[: first.vocab_size] == first.pieces
        new = set(b"".join(extended.pieces[first.vocab_size :]).decode())
        if not new & set(text):
            assert extended.encode(text).tolist() == first.encode(text).tolist()
        assert extended.decode(extended.encode(text)) == first.decode(first.encode(text))


def test_an_extension_stays_within_the_largest_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tokenizers.train("char", ["abc"])
    monkeypatch.setattr(base, "MAX_VOCAB_SIZE", tokenizer.vocab_size + 1)
    assert tokenizer.extend(["defg"]).vocab_size == tokenizer.vocab_size + 1
