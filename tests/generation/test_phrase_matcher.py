"""What may not be said and what stops a text: the table over tokens against a plain reading of the text so far."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.generation.phrase_matcher import MatchState, PhraseMatcher
from grucli.generation.phrases import check_blocked, escape_text, read_phrases, unescape_text
from grucli.kernels.sampling import BANNED, STOPS
from grucli.text.tokenizers import NUM_SPECIAL_TOKENS, Tokenizer
from grucli.text.tokenizers.char import CharTokenizer
from grucli.text.tokenizers.subword import SubwordTokenizer
from grucli.text.tokenizers.word import WordTokenizer

ALPHABET = "abAßs .\n_é"
CHAR_TOKENIZER = CharTokenizer(ALPHABET)
WORD_TOKENIZER = WordTokenizer(
    [" a", "a", " ab", "ab", " b", "b", ".", "..", "\n", " ", "A", " é", "ß", " ss", "a'b", " ba"]
)
SUBWORD_TOKENIZER = SubwordTokenizer(
    ["a", "b", "A", "s", ".", "_", "ab", " a", " ab", "ba", " b", "ss", "s.", "..", "ß", "é"]
)
BYTE_TOKENIZER = SubwordTokenizer(["a", "b", "s"])
BYTE_IDS = [*BYTE_TOKENIZER.encode("abs .éÉ日\n").tolist()]

word = st.text("abs", min_size=1, max_size=3)
phrase = st.one_of(
    word, st.text("abA é", min_size=1, max_size=4), st.builds("{} {}".format, word, word), st.sampled_from([".b", "b."])
).filter(lambda text: bool(text.strip()))
blocked_phrases = st.lists(st.one_of(phrase, phrase.map("{}*".format)), max_size=4).map(tuple)
stop_strings = st.lists(st.text("ab .\n", min_size=1, max_size=3), max_size=3).map(tuple)


def phrase_pattern(phrase: str) -> re.Pattern[str]:
    """What says a phrase in a folded text, as soon as that is known."""
    text = " ".join(phrase.removesuffix("*").casefold().split())
    before = r"(?<!\w)" if re.match(r"\w", text) else ""
    after = r"(?=\W)" if re.search(r"\w\Z", text) and not phrase.endswith("*") else ""
    return re.compile(before + r"\s+".join(map(re.escape, text.split(" "))) + after)


def expected_outcome(
    text: str, piece: str, stops: tuple[str, ...], blocked: tuple[str, ...], whole_words: bool
) -> int | None:
    """What the piece does to the text, read a character at a time; `text` itself says and stops nothing."""
    generated = text
    for char in piece:
        generated += char
        if any(phrase_pattern(each).search(generated.casefold()) for each in blocked):
            return BANNED
        if any(stop in generated for stop in stops):
            return STOPS
    if whole_words and any(phrase_pattern(each).search(generated.casefold() + " ") for each in blocked):
        return BANNED
    return None


def next_states(phrases: PhraseMatcher, state: int, V: int) -> list[int]:
    """The place behind each token, as the kernels read the table."""
    table, _ = phrases.table(MatchState())
    kind, closing, first, end = table.states[state]
    row = table.default_next[kind].copy()
    assert (np.diff(table.overrides[first:end, 0]) > 0).all()
    row[table.overrides[first:end, 0]] = table.overrides[first:end, 1]
    if closing:
        row[table.default_next[2] != 0] = BANNED
    assert row.shape == (V,)
    return [int(number) for number in row]


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", [CHAR_TOKENIZER, WORD_TOKENIZER, SUBWORD_TOKENIZER])
@given(stops=stop_strings, blocked=blocked_phrases, data=st.data())
@settings(max_examples=60)
def test_the_table_says_of_every_token_what_the_text_says(
    tokenizer: Tokenizer, stops: tuple[str, ...], blocked: tuple[str, ...], data: st.DataObject
) -> None:
    phrases = PhraseMatcher(tokenizer, stops, blocked)
    _, state = phrases.table(MatchState())
    whole = {
        t: p.decode() for t, p in enumerate(tokenizer.pieces) if t >= NUM_SPECIAL_TOKENS and (p.isascii() or len(p) > 1)
    }
    likely = {t: p for t, p in whole.items() if p.strip("\0\t") in p and set(p) <= set(ALPHABET + "'")}
    text = ""
    for _ in range(8):
        row = next_states(phrases, state, tokenizer.vocab_size)
        for token, piece in likely.items():
            expected = expected_outcome(text, piece, stops, blocked, tokenizer is WORD_TOKENIZER)
            assert (row[token] if row[token] < 0 else None) == expected, (text, piece)
        going_on = [token for token in likely if row[token] >= 0]
        assume(going_on)
        token = data.draw(st.sampled_from(going_on))
        text, state = text + likely[token], row[token]


@pytest.mark.slow
@given(
    blocked=st.lists(st.text("abé日 ", min_size=1, max_size=3).filter(str.strip), max_size=3).map(tuple),
    stops=st.lists(st.text("aé日É", min_size=1, max_size=3), max_size=2).map(tuple),
    data=st.data(),
)
@settings(max_examples=100)
def test_characters_spelled_in_bytes_say_nothing_blocked_either(
    blocked: tuple[str, ...], stops: tuple[str, ...], data: st.DataObject
) -> None:
    phrases = PhraseMatcher(BYTE_TOKENIZER, stops, blocked)
    _, state = phrases.table(MatchState())
    ids: list[int] = []
    for _ in range(12):
        row = next_states(phrases, state, BYTE_TOKENIZER.vocab_size)
        going_on = [token for token in BYTE_IDS if row[token] >= 0]
        assume(going_on)
        ids.append(data.draw(st.sampled_from(going_on)))
        state = row[ids[-1]]
    text = BYTE_TOKENIZER.decode(ids)
    assert not any(phrase_pattern(each).search(text.casefold()) for each in blocked)
    assert not any(stop in text for stop in stops)


@pytest.mark.parametrize(
    ("phrase", "says", "says_not"),
    [
        ("ass", ["ass.", "an ASS!", "ass\n"], ["class ", "assume ", "ass_ ", "assé "]),
        ("ass*", ["ass", "assume", "an Assassin"], ["class "]),
        ("shut up", ["shut up.", "Shut \n  UP "], ["shut upon ", "shut, up "]),
        ("strasse", ["Straße "], ["Straßen "]),
        ("STRAẞE", ["strasse "], []),
        (":)", [":)", "a:)"], [": )"]),
        ("naïve", ["NAÏVE "], ["naive "]),
        ("don't", ["don't "], ["don ", "dont "]),
        ("日本", ["日本。", "日本 "], ["日本語 "]),
    ],
)
def test_a_word_counts_as_a_whole(phrase: str, says: list[str], says_not: list[str]) -> None:
    for text, expected in [*((text, True) for text in says), *((text, False) for text in says_not)]:
        phrases, state = PhraseMatcher(CHAR_TOKENIZER, (), (phrase,)), MatchState()
        said = False
        for char in text:
            after = phrases.advance(state, char)
            said = said or after == BANNED
            state = after if isinstance(after, MatchState) else state
        assert said == expected, text


def test_a_word_may_have_begun_before() -> None:
    phrases = PhraseMatcher(CHAR_TOKENIZER, ("sa",), ("abs", "b"))
    assert phrases.advance(phrases.state_after("a b A"), "b") == MatchState(
        phrases.state_after("ab").blocked, in_word=True
    )
    after = phrases.advance(phrases.state_after("ab"), "s")
    assert isinstance(after, MatchState)
    assert phrases.advance(after, " ") == BANNED
    assert phrases.advance(phrases.state_after("aab"), "s") == MatchState(
        in_word=True,
        stops=phrases.advance(MatchState(), "s").stops,  # type: ignore[union-attr]
    )
    # What was said before is not this text's affair: neither a whole word, nor half a stop.
    assert isinstance(phrases.advance(phrases.state_after("abs"), " "), MatchState)
    assert isinstance(phrases.advance(phrases.state_after("s"), "a"), MatchState)


def test_what_may_become_a_stop_is_held_back() -> None:
    phrases = PhraseMatcher(CHAR_TOKENIZER, ("\n\n", "User:"), ())
    assert [phrases.withheld_chars("", text) for text in ("a", "a\n", "aUs", "Uses", "")] == [0, 1, 2, 0, 0]
    assert phrases.find_stop("a\n\nb") == 1
    assert phrases.find_stop("a") is None
    assert PhraseMatcher(CHAR_TOKENIZER, ("bcd", "c"), ()).find_stop("abcd") == 2  # the one that is over first


def test_what_says_a_blocked_word_at_the_end_is_taken_off() -> None:
    phrases = PhraseMatcher(CHAR_TOKENIZER, (), ("bad", "ba", "a b"))
    cases = {"so bad": "so b", "so bade": "so bade", "bad.": "bad.", "xbad": "xbad", "BA": "B", "a  b": "a  ", "": ""}
    for text, left in cases.items():
        assert text[: len(text) - phrases.chars_to_trim("", text)] == left
    assert phrases.chars_to_trim("so b", "ad") == 2  # all of it: "b" and "ba" are left
    assert phrases.chars_to_trim("x", "bad") == 0
    assert PhraseMatcher(CHAR_TOKENIZER, ("x",), ()).chars_to_trim("", "bad") == 0


def test_phrases_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# names\n\n damn \nshut up\r\nfoo*\n", "utf-8-sig")
    assert read_phrases(path) == ("damn", "shut up", "foo*")
    path.write_bytes(b"\x81\x8d")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read_phrases(path)
    path.write_text("ok\nf*o\n")
    with pytest.raises(UsageError, match=re.escape("'f*o' cannot be blocked")):
        read_phrases(path)


@pytest.mark.parametrize("phrase", ["", " ", "*", " * ", "a*b", "**a", "x" * 201])
def test_what_is_no_phrase_is_refused(phrase: str) -> None:
    with pytest.raises(UsageError, match="cannot be blocked"):
        PhraseMatcher(CHAR_TOKENIZER, (), (phrase,))


@pytest.mark.parametrize(
    ("stops", "said"), [(("",), "0 characters"), (("x" * 201,), "201"), (("x",) * 65, "65, max 64")]
)
def test_what_can_stop_nothing_is_refused(stops: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        PhraseMatcher(CHAR_TOKENIZER, stops)


def test_thousands_of_words_take_no_more_room_than_they_need() -> None:
    rng = np.random.default_rng(0)
    many = tuple({"".join(rng.choice(list("abs"), 9)) for _ in range(3000)})
    table, _ = PhraseMatcher(SUBWORD_TOKENIZER, (), many).table(MatchState())
    assert len(table.states) < 9 * len(many)
    assert len(table.overrides) < 40 * len(many)


def test_more_than_can_be_told_apart_is_refused_before_any_of_it_is_worked_out() -> None:
    rng = np.random.default_rng(0)
    lines = tuple("".join(rng.choice(list("abcdefghijklmnop"), 76)) for _ in range(3510))
    with pytest.raises(UsageError, match=r"have 25\d,\d{3} characters"):
        check_blocked(lines)
    # What they begin with alike is but one beginning.
    check_blocked(tuple("x" * 194 + f"{number:06}" for number in range(3510)))


@pytest.mark.parametrize(("stops", "blocked"), [((), ("ab*", "as")), (("ab", "as"), ())])
def test_a_table_that_the_tokens_make_too_large_is_refused(
    monkeypatch: pytest.MonkeyPatch, stops: tuple[str, ...], blocked: tuple[str, ...]
) -> None:
    phrases = PhraseMatcher(SUBWORD_TOKENIZER, stops, blocked)
    entries = len(PhraseMatcher(SUBWORD_TOKENIZER, stops, blocked).table(MatchState())[0].default_next[0])
    monkeypatch.setattr("grucli.generation.phrase_matcher.MAX_TABLE_ENTRIES", entries)
    for _ in range(2):  # nor is it let through when it is asked for again
        with pytest.raises(
            UsageError, match=f"more than {entries} entries, for the {SUBWORD_TOKENIZER.vocab_size} tokens"
        ):
            phrases.table(MatchState())


def test_a_vocabulary_without_pieces() -> None:
    table, state = PhraseMatcher(CharTokenizer(""), ("a",), ("b",)).table(MatchState())
    assert table.default_next.shape == (3, NUM_SPECIAL_TOKENS)
    assert state == 0


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(r"\n", "\n"), (r"a\tb", "a\tb"), (r"\\n", r"\n"), (r"¯\_(ツ)", r"¯\_(ツ)"), ("\n", "\n"), ("\\", "\\")],
)
def test_a_text_is_typed_on_one_line(typed: str, meant: str) -> None:
    assert unescape_text(typed) == meant


@given(st.text(st.sampled_from("\\nt\n\t'") | st.characters()))
def test_every_text_can_be_typed(text: str) -> None:
    assert unescape_text(escape_text(text)) == text
    assert "\n" not in escape_text(text)
