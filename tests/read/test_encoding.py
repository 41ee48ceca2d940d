import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.api.clean import clean
from grucli.errors import GruError, UsageError
from grucli.read import encoding as encoding_module
from grucli.read.blocks import RowReport
from grucli.read.encoding import NotUtf8Error, TextDecoder, encoding_label, lookup_encoding
from grucli.read.rows import read_rows, read_running_text
from grucli.read.schema import ReadOptions

ENGLISH = "I don’t think it’s “fine” – the café is naïve… wait—what? Señor Muñoz said: ‘no’, it’s 5€ or 20° now. "
LATIN = {
    "en": ENGLISH,
    "de": "Übrigens schöne Grüße aus München, das heißt „Spaß“ für alle Bürger, weiß ich nicht. Ärger über Öl. ",
    "fr": "Ça dépend où l’été est passé; élève, être, Noël, déjà vu, à côté, ÉCOLE, «oui» et « non », ma sœur. ",
    "es": "¿Qué pasó ayer? Mañana iré a España. ¡Sí! el niño está aquí, pingüino, corazón. ",
    "pt": "Não são milhões de ações, põe o pão; você é brasileiro, às vezes, maçã. ",
    "sv": "Jag är på väg hem, det går bra, människor öppnar dörren på lördag. ",
}
OTHER = {
    "cs": ("Příliš žluťoučký kůň úpěl ďábelské ódy, že řekl něco o městě, můžeme být. ", ["cp1250", "iso8859-2"]),
    "pl": ("Zażółć gęślą jaźń, że nie wiem co się stało, łatwo było tylko wczoraj myślę. ", ["cp1250", "iso8859-2"]),
    "hu": ("Ez egy jó példa arra, hogy a nők és férfiak között nincs különbség, őszintén, időben. ", ["cp1250"]),
    "hr": ("Što će biti s našim životom, čovječe, uopće nije važno, žao mi je. ", ["cp1250"]),
    "tr": ("Ben bunu yapmayacağım, çünkü işim var, ışık yok, güzel şeyler. ", ["cp1254"]),
    "ru": ("Лимонный запах. А вкус ягодный. Вот и всё о ней, я думаю. ", ["cp1251", "koi8-r", "cp866", "mac_cyrillic"]),
    "el": ("Δεν ξέρω τι να κάνω σήμερα, είναι ωραία μέρα. ", ["cp1253"]),
    "he": ("אני לא יודע מה לעשות היום. ", ["cp1255"]),
    "ja": ("今日はいい天気ですね、何をしますか。カタカナ ABC ", ["shift_jis", "euc_jp"]),
    "zh": ("今天天气很好，我们去公园吧。hello 世界 ", ["gbk", "gb18030"]),
    "ko": ("오늘 날씨가 좋네요 무엇을 할까요 ", ["euc_kr"]),
    "lt": ("Šiandien yra labai graži diena, bet žmonės nėra, ačiū, ėjau. ", ["cp1257"]),
    "oem": (LATIN["fr"].replace("’", "'").replace("œ", "oe"), ["cp850", "cp437"]),
    "mac": (ENGLISH, ["mac_roman"]),
    "latin-9": (LATIN["fr"].replace("’", "'") + "cœur ", ["iso8859-15"]),
    "is": ("Það er mjög gott veður í dag, þetta er ágætt. ", ["cp1252"]),
}
PLAIN = "The cat cannot agree with my neighbor about bread and rain so we rode home.\n"


def decode(data: bytes, encoding: str | None = None, size: int = 1 << 16) -> tuple[bytes, TextDecoder]:
    decoder = TextDecoder("x", encoding)
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    return b"".join(decoder.decode(pieces)), decoder


@pytest.mark.parametrize("plain_lines", [0, 20])
@pytest.mark.parametrize("language", LATIN)
def test_texts_of_western_europe_in_windows_1252_are_read(language: str, plain_lines: int) -> None:
    text = (LATIN[language] + "\n" + PLAIN * plain_lines) * 20
    got, decoder = decode(text.encode("cp1252"))

    assert got.decode() == text
    assert decoder.encoding == "cp1252"
    assert decoder.notes() == []


@pytest.mark.parametrize("plain_lines", [0, 5])
@pytest.mark.parametrize(("language", "encoding"), [(one, each) for one in OTHER for each in OTHER[one][1]])
def test_texts_in_other_encodings_are_refused_and_read_with_their_name(
    language: str, encoding: str, plain_lines: int
) -> None:
    text = (OTHER[language][0] + "\n" + PLAIN * plain_lines) * 40
    data = text.encode(encoding, "ignore")
    with pytest.raises(NotUtf8Error, match="'x' is not UTF-8 text") as caught:
        decode(data)

    assert "--encoding " in caught.value.hint
    got, decoder = decode(data, encoding)
    assert got.decode() == data.decode(encoding)
    assert (decoder.encoding, decoder.replaced) == (lookup_encoding(encoding), 0)


@pytest.mark.slow
@settings(max_examples=300)
@given(
    st.sampled_from(
        [
            *((text, "cp1252") for text in LATIN.values()),
            *((text, one) for text, names in OTHER.values() for one in names),
        ]
    ),
    st.data(),
    st.integers(1, 400),
    st.booleans(),
)
def test_words_in_any_order_are_read_right_or_not_at_all(
    language: tuple[str, str], data: st.DataObject, size: int, has_plain: bool
) -> None:
    """Bytes that stay as they are are no UTF-8: the rows with them are counted."""
    text, encoding = language
    words = data.draw(st.lists(st.sampled_from(text.split()), min_size=12, max_size=60))
    content = (" ".join(words) + "\n" + PLAIN * has_plain).encode(encoding, "ignore")
    try:
        got, decoder = decode(content, size=size)
    except NotUtf8Error:
        return
    if decoder.encoding == "cp1252" and encoding != "cp1252":
        words_in_common = content.decode("cp1252", "replace") == content.decode(encoding)
        assert words_in_common or len(set(words)) < 12
    else:
        assert got == content or got.decode() == content.decode(encoding)


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),  # a NUL would make the other mark of it
    st.integers(1, 50),
    st.sampled_from(["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-be", "gb18030"]),
)
def test_a_mark_tells_the_encoding_of_any_text(text: str, size: int, encoding: str) -> None:
    mark = "" if encoding in ("utf-8-sig", "utf-16", "utf-32") else "\ufeff"
    for given_encoding in (None, "cp1252"):
        assert decode((mark + text).encode(encoding), given_encoding, size)[0].decode() == text.lstrip("\ufeff")


@given(
    st.text(), st.integers(1, 50), st.sampled_from(["cp1251", "shift_jis", "gb18030", "utf-7", "utf-16-le", "cp037"])
)
def test_a_named_encoding_is_used_for_any_text(text: str, size: int, encoding: str) -> None:
    data = text.encode(encoding, "ignore")
    got, decoder = decode(data, encoding, size)

    assert got.decode().removeprefix("\ufeff") == data.decode(encoding).removeprefix("\ufeff")
    assert decoder.replaced == 0


@settings(max_examples=50)
@given(st.binary(max_size=300), st.integers(1, 40))
def test_ascii_and_utf8_are_never_changed(junk: bytes, size: int) -> None:
    for content in (b"plain " + junk.decode("ascii", "ignore").encode(), b"caf\xc3\xa9 " + junk):
        if 0 not in content and b"\x1b" not in content:
            try:
                assert decode(content, size=size)[0] == content
            except NotUtf8Error:
                assert len(content) > 8


@pytest.mark.parametrize("text", [PLAIN * 9, (OTHER["ru"][0] + "\n") * 9, ("今天天气很好，我们 去公园吧 他说\n") * 9])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_characters_are_known_without_a_mark(text: str, encoding: str) -> None:
    got, decoder = decode(text.encode(encoding))

    assert (got.decode(), decoder.encoding) == (text, encoding)


def test_escape_sequences_tell_japanese_mail() -> None:
    text = OTHER["ja"][0] * 3
    assert decode(text.encode("iso2022_jp"))[0].decode() == text


def test_windows_1252_that_begins_megabytes_later_is_noted() -> None:
    text = PLAIN * 40_000 + ENGLISH
    got, decoder = decode(text.encode("cp1252"))

    assert len(text) > 3_000_000
    assert got.decode() == text
    assert decoder.notes() == ["is not UTF-8: it is read as Windows-1252 from its first such byte"]


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding_module, "_WINDOW_BYTES", 1 << 14)


@pytest.mark.usefixtures("small_window")
def test_windows_1252_is_doubted_where_something_else_follows() -> None:
    text = (ENGLISH.encode("cp1252") + b"\n") * 200 + (OTHER["ru"][0] + "\n").encode("cp1251") * 1000
    with pytest.raises(NotUtf8Error, match="neither UTF-8 text nor Windows-1252"):
        decode(text, size=1 << 12)


@pytest.mark.usefixtures("small_window")
def test_a_torn_character_is_no_windows_1252() -> None:
    for torn in (b"caf\xc3", b"don\xe2\x80", b"na\xff"):
        content = (PLAIN * 2).encode() + torn + b"\n" + PLAIN.encode() * 400 + "café “naïve”\n".encode()
        assert decode(content)[0] == content


def test_a_mixture_of_utf8_and_windows_1252_is_refused() -> None:
    for every in (2, 50):
        lines = [(ENGLISH + "\n").encode("utf-8" if number % every == 0 else "cp1252") for number in range(200)]
        with pytest.raises(NotUtf8Error, match="'x' is not UTF-8 text in"):
            decode(b"".join(lines))


def test_undecodable_bytes_of_a_named_encoding_are_counted_or_refused() -> None:
    lines = ["今日は\n".encode("shift_jis")] * 20_000
    few, decoder = decode(b"".join([b"a\x81\n", b"b\xfd\n", *lines]), "shift_jis")
    assert few.decode().count("\ufffd") == decoder.replaced == 2
    assert decoder.notes() == ["is not shift_jis in 2 places, which became U+FFFD"]
    with pytest.raises(UsageError, match=r"'x' is not shift_jis text \(1,000 undecodable places\)"):
        decode(b"".join([*lines, *[b"a\xfd\n"] * 1000]), "shift_jis")


def test_utf8_that_is_read_as_something_else_is_said() -> None:
    assert decode("café\n".encode(), "cp1252")[1].notes() == [
        "is valid UTF-8, but was read as Windows-1252 because of --encoding"
    ]


@pytest.mark.parametrize(
    ("name", "near"),
    [("cp1521", "cp1251"), ("win-1251", "windows_1251"), ("shiftjis2", "shiftjis"), ("base64", ""), ("rot13", ""),
     ("idna", ""), ("a\0b", ""), ("", ""), ("é", ""), ("x" * 9999, "")],
)  # fmt: skip
def test_an_unknown_encoding_names_those_that_are_near(name: str, near: str) -> None:
    with pytest.raises(UsageError, match="unknown encoding") as caught:
        TextDecoder("x", name)

    assert near in caught.value.hint
    assert len(caught.value.message) < 80


def test_encodings_are_called_as_people_call_them() -> None:
    assert [encoding_label(lookup_encoding(name)) for name in ("windows-1251", "UTF16", "latin1", "sjis")] == [
        "Windows-1251",
        "UTF-16",
        "iso8859-1",
        "shift_jis",
    ]


WriteFile = Callable[[str, bytes], str]


@pytest.fixture
def write_file(tmp_path: Path) -> WriteFile:
    def writing(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return writing


def as_file(name: str, texts: list[str]) -> str:
    if name.endswith(".txt"):
        return "\n".join(texts)
    if name.endswith(".jsonl"):
        return "".join(
            json.dumps({"id": f"c{n}", "body": text}, ensure_ascii=False) + "\n" for n, text in enumerate(texts)
        )
    if name.endswith(".tsv"):
        return "id\tbody\n" + "".join(f"c{number}\t{text}\n" for number, text in enumerate(texts))
    return "id,body\r\n" + "".join(f'c{n},"{text}"\r\n' for n, text in enumerate(texts))


def read(source: str, options: ReadOptions, report: RowReport) -> list[str]:
    if source.endswith(".txt"):
        return "".join(read_running_text(source, options, report)).split("\n")
    return [row.body for row in read_rows(source, options, report)]


NAMES = ["a.csv", "a.tsv", "a.jsonl", "a.txt"]
TEXTS = [f"{ENGLISH}{number}" for number in range(40)]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"])
@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_read_in_every_encoding(write_file: WriteFile, name: str, encoding: str) -> None:
    report = RowReport()
    source = write_file(name, as_file(name, TEXTS).encode(encoding))

    assert read(source, ReadOptions(), report) == TEXTS
    assert not report.skipped
    if encoding != "utf-8-sig":
        assert encoding_label(report.schemas[0].encoding) in report.schemas[0].describe()


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_read_in_an_encoding_that_is_named(write_file: WriteFile, name: str) -> None:
    texts = [f"{OTHER['ru'][0]}{number}" for number in range(40)]
    source = write_file(name, as_file(name, texts).encode("cp1251"))
    with pytest.raises(NotUtf8Error):
        read(source, ReadOptions(), RowReport())

    assert read(source, ReadOptions(encoding="windows-1251"), RowReport()) == texts


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("bad", "is_refused"), [(8, False), (9, True)])
def test_a_share_of_undecodable_rows_that_matters_is_refused(
    write_file: WriteFile, name: str, bad: int, is_refused: bool
) -> None:
    texts = [f"{number:03} café" for number in range(500)]
    content = as_file(name, texts).encode()
    for number in random.Random(1).sample(range(500), bad):
        content = content.replace(f"{number:03} café".encode(), f"{number:03} caf".encode() + b"\xff\xfe")
    source, report = write_file(name, content), RowReport()
    if is_refused:
        with pytest.raises(NotUtf8Error, match=f"is not UTF-8 text in {bad} of"):
            read(source, ReadOptions(), report)
    else:
        assert len(read(source, ReadOptions(), report)) == 500 - (0 if name == "a.txt" else bad)
        assert list(report.skipped.values()) == [bad]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_cleaning_writes_nothing_of_a_text_that_is_not_certain(
    write_file: WriteFile, tmp_path: Path, name: str
) -> None:
    texts = [f"{number:03} café" for number in range(500)]
    content = as_file(name, texts).encode()
    for number in range(0, 500, 50):
        content = content.replace(f"{number:03} café".encode(), f"{number:03} caf".encode() + b"\xff\xfe")
    for dry_run in (False, True):
        with pytest.raises(NotUtf8Error, match="in 10 of 500 rows"):
            clean([write_file(name, content)], str(tmp_path / "out.csv"), dry_run=dry_run)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.sampled_from(NAMES), st.binary(max_size=400), st.sampled_from([None, "cp1251", "utf-16", "shift_jis"]))
def test_any_bytes_are_read_or_refused_with_any_encoding(
    tmp_path: Path, name: str, content: bytes, encoding: str | None
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with suppress(GruError):  # the bytes may be the start of compressed data, which is corrupt
        read(str(path), ReadOptions(encoding=encoding), RowReport())
