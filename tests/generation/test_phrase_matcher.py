"""What may not be said and what stops a text: the table over tokens against a plain reading of the text so far."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.generation.phrase_matcher import (
    BANNED,
    STOPS,
    Phrases,
    Place,
    check_blocked,
    read_phrases,
    read_stop,
    typed_stop,
)
from grucli.text.tokenizers import SPECIALS, Tokenizer
from grucli.text.tokenizers.char import CharTokenizer
from grucli.text.tokenizers.subword import SubwordTokenizer
from grucli.text.tokenizers.word import WordTokenizer

ALPHABET = "abAßs .\n_é"
CHARS = CharTokenizer(ALPHABET)
WORDS = WordTokenizer([" a", "a", " ab", "ab", " b", "b", ".", "..", "\n", " ", "A", " é", "ß", " ss", "a'b", " ba"])
PIECES = SubwordTokenizer(["a", "b", "A", "s", ".", "_", "ab", " a", " ab", "ba", " b", "ss", "s.", "..", "ß", "é"])
SPELLED = SubwordTokenizer(["a", "b", "s"])
IN_BYTES = [*SPELLED.encode("abs .éÉ日\n").tolist()]

word = st.text("abs", min_size=1, max_size=3)
phrase = st.one_of(
    word, st.text("abA é", min_size=1, max_size=4), st.builds("{} {}".format, word, word), st.sampled_from([".b", "b."])
).filter(lambda text: bool(text.strip()))
blocked = st.lists(st.one_of(phrase, phrase.map("{}*".format)), max_size=4).map(tuple)
stops = st.lists(st.text("ab .\n", min_size=1, max_size=3), max_size=3).map(tuple)


def pattern(phrase: str) -> re.Pattern[str]:
    """What says a phrase in a folded text, as soon as that is known."""
    text = " ".join(phrase.removesuffix("*").casefold().split())
    before = r"(?<!\w)" if re.match(r"\w", text) else ""
    after = r"(?=\W)" if re.search(r"\w\Z", text) and not phrase.endswith("*") else ""
    return re.compile(before + r"\s+".join(map(re.escape, text.split(" "))) + after)


def verdict(text: str, piece: str, stops: tuple[str, ...], blocked: tuple[str, ...], whole_words: bool) -> int | None:
    """What the piece does to the text, read a character at a time; `text` itself says and stops nothing."""
    drawn = text
    for char in piece:
        drawn += char
        if any(pattern(each).search(drawn.casefold()) for each in blocked):
            return BANNED
        if any(stop in drawn for stop in stops):
            return STOPS
    if whole_words and any(pattern(each).search(drawn.casefold() + " ") for each in blocked):
        return BANNED
    return None


def behind(phrases: Phrases, place: int, V: int) -> list[int]:
    """The place behind each token, as the kernels read the table."""
    table, _ = phrases.table(Place())
    kind, closing, first, end = table.places[place]
    row = table.usual[kind].copy()
    assert (np.diff(table.own[first:end, 0]) > 0).all()
    row[table.own[first:end, 0]] = table.own[first:end, 1]
    if closing:
        row[table.usual[2] != 0] = BANNED
    assert row.shape == (V,)
    return [int(number) for number in row]


@pytest.mark.parametrize("tokenizer", [CHARS, WORDS, PIECES])
@given(stops=stops, blocked=blocked, data=st.data())
@settings(max_examples=60)
def test_the_table_says_of_every_token_what_the_text_says(
    tokenizer: Tokenizer, stops: tuple[str, ...], blocked: tuple[str, ...], data: st.DataObject
) -> None:
    phrases = Phrases(tokenizer, stops, blocked)
    _, place = phrases.table(Place())
    whole = {t: p.decode() for t, p in enumerate(tokenizer.pieces) if t >= SPECIALS and (p.isascii() or len(p) > 1)}
    likely = {t: p for t, p in whole.items() if p.strip("\0\t") in p and set(p) <= set(ALPHABET + "'")}
    text = ""
    for _ in range(8):
        row = behind(phrases, place, tokenizer.size)
        for token, piece in likely.items():
            expected = verdict(text, piece, stops, blocked, tokenizer is WORDS)
            assert (row[token] if row[token] < 0 else None) == expected, (text, piece)
        going_on = [token for token in likely if row[token] >= 0]
        assume(going_on)
        token = data.draw(st.sampled_from(going_on))
        text, place = text + likely[token], row[token]


@given(
    blocked=st.lists(st.text("abé日 ", min_size=1, max_size=3).filter(str.strip), max_size=3).map(tuple),
    stops=st.lists(st.text("aé日É", min_size=1, max_size=3), max_size=2).map(tuple),
    data=st.data(),
)
@settings(max_examples=100)
def test_characters_spelled_in_bytes_say_nothing_blocked_either(
    blocked: tuple[str, ...], stops: tuple[str, ...], data: st.DataObject
) -> None:
    phrases = Phrases(SPELLED, stops, blocked)
    _, place = phrases.table(Place())
    ids: list[int] = []
    for _ in range(12):
        row = behind(phrases, place, SPELLED.size)
        going_on = [token for token in IN_BYTES if row[token] >= 0]
        assume(going_on)
        ids.append(data.draw(st.sampled_from(going_on)))
        place = row[ids[-1]]
    text = SPELLED.decode(ids)
    assert not any(pattern(each).search(text.casefold()) for each in blocked)
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
        phrases, place = Phrases(CHARS, (), (phrase,)), Place()
        said = False
        for char in text:
            after = phrases.feed(place, char)
            said = said or after == BANNED
            place = after if isinstance(after, Place) else place
        assert said == expected, text


def test_a_word_may_have_begun_before() -> None:
    phrases = Phrases(CHARS, ("sa",), ("abs", "b"))
    assert phrases.feed(phrases.after("a b A"), "b") == Place(phrases.after("ab").blocked, (), True)
    after = phrases.feed(phrases.after("ab"), "s")
    assert isinstance(after, Place)
    assert phrases.feed(after, " ") == BANNED
    assert phrases.feed(phrases.after("aab"), "s") == Place(in_word=True, stops=phrases.feed(Place(), "s").stops)  # type: ignore[union-attr]
    # What was said before is not this text's affair: neither a whole word, nor half a stop.
    assert isinstance(phrases.feed(phrases.after("abs"), " "), Place)
    assert isinstance(phrases.feed(phrases.after("s"), "a"), Place)


def test_what_may_become_a_stop_is_held_back() -> None:
    phrases = Phrases(CHARS, ("\n\n", "User:"), ())
    assert [phrases.held("", text) for text in ("a", "a\n", "aUs", "Uses", "")] == [0, 1, 2, 0, 0]
    assert phrases.stop_in("a\n\nb") == 1
    assert phrases.stop_in("a") is None
    assert Phrases(CHARS, ("bcd", "c"), ()).stop_in("abcd") == 2  # the one that is over first


def test_what_says_a_blocked_word_at_the_end_is_taken_off() -> None:
    phrases = Phrases(CHARS, (), ("bad", "ba", "a b"))
    cases = {"so bad": "so b", "so bade": "so bade", "bad.": "bad.", "xbad": "xbad", "BA": "B", "a  b": "a  ", "": ""}
    for text, left in cases.items():
        assert text[: len(text) - phrases.unsaid("", text)] == left
    assert phrases.unsaid("so b", "ad") == 2  # all of it: "b" and "ba" are left
    assert phrases.unsaid("x", "bad") == 0
    assert Phrases(CHARS, ("x",), ()).unsaid("", "bad") == 0


def test_phrases_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# names\n\n damn \nshut up\r\nfoo*\n", "utf-8-sig")
    assert read_phrases(path) == ("damn", "shut up", "foo*")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read_phrases(path)
    path.write_text("ok\nf*o\n")
    with pytest.raises(UsageError, match=re.escape("'f*o' cannot be blocked")):
        read_phrases(path)


@pytest.mark.parametrize("phrase", ["", " ", "*", " * ", "a*b", "**a", "x" * 201])
def test_what_is_no_phrase_is_refused(phrase: str) -> None:
    with pytest.raises(UsageError, match="cannot be blocked"):
        Phrases(CHARS, (), (phrase,))


@pytest.mark.parametrize(("stops", "said"), [(("",), "0 characters"), (("x" * 201,), "201"), (("x",) * 65, "65 times")])
def test_what_can_stop_nothing_is_refused(stops: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Phrases(CHARS, stops)


def test_thousands_of_words_take_no_more_room_than_they_need() -> None:
    rng = np.random.default_rng(0)
    many = tuple({"".join(rng.choice(list("abs"), 9)) for _ in range(3000)})
    table, _ = Phrases(PIECES, (), many).table(Place())
    assert len(table.places) < 9 * len(many)
    assert len(table.own) < 40 * len(many)


def test_more_than_can_be_told_apart_is_refused_before_any_of_it_is_worked_out() -> None:
    rng = np.random.default_rng(0)
    lines = tuple("".join(rng.choice(list("abcdefghijklmnop"), 76)) for _ in range(3510))
    with pytest.raises(UsageError, match=r"come to 25\d,\d{3} characters"):
        check_blocked(lines)
    # What they begin with alike is but one beginning.
    check_blocked(tuple("x" * 194 + f"{number:06}" for number in range(3510)))


@pytest.mark.parametrize(("stops", "blocked"), [((), ("ab*", "as")), (("ab", "as"), ())])
def test_a_table_that_the_tokens_make_too_large_is_refused(
    monkeypatch: pytest.MonkeyPatch, stops: tuple[str, ...], blocked: tuple[str, ...]
) -> None:
    phrases = Phrases(PIECES, stops, blocked)
    entries = len(Phrases(PIECES, stops, blocked).table(Place())[0].usual[0])
    monkeypatch.setattr("grucli.generation.phrase_matcher.MOST_ENTRIES", entries)
    for _ in range(2):  # nor is it let through when it is asked for again
        with pytest.raises(UsageError, match=f"more than {entries} entries, for the {PIECES.size} tokens"):
            phrases.table(Place())


def test_a_vocabulary_without_pieces() -> None:
    table, place = Phrases(CharTokenizer(""), ("a",), ("b",)).table(Place())
    assert table.usual.shape == (3, SPECIALS)
    assert place == 0


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(r"\n", "\n"), (r"a\tb", "a\tb"), (r"\\n", r"\n"), (r"¯\_(ツ)", r"¯\_(ツ)"), ("\n", "\n"), ("\\", "\\")],
)
def test_a_stop_is_typed_on_one_line(typed: str, meant: str) -> None:
    assert read_stop(typed) == meant


@given(st.text(st.sampled_from("\\nt\n\t'") | st.characters()))
def test_every_stop_can_be_typed(stop: str) -> None:
    assert read_stop(typed_stop(stop)) == stop
    assert "\n" not in typed_stop(stop)
