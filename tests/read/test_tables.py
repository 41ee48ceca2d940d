"""How a table separates its columns, and whether its first line names them."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.read.blocks import RowReport
from grucli.read.records import open_records
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions, Schema
from grucli.read.sources import resolve_source

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writing(name: str, content: str) -> str:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8", newline="")
        return str(path)

    return writing


def read(path: str, report: RowReport | None = None, **options: Any) -> list[str]:
    return [row.body for row in read_rows(path, ReadOptions(**options), report or RowReport())]


def schema_of(path: str, **options: Any) -> Schema:
    return open_records(resolve_source(path), ReadOptions(**options), RowReport()).schema


def refusal_of(path: str, **options: Any) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        read(path, **options)
    return caught.value.message.replace(path, Path(path).name), caught.value.hint


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_the_delimiter_is_seen_in_the_header(write: Write, suffix: str, delimiter: str, quoting: Any) -> None:
    text = io.StringIO()
    rows = [["id", "author", "Comment"], ["1", "otter", 'Well; "maybe", or | not.'], ["2", "kettle", "two\nlines"]]
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)
    path = write(f"a.{suffix}", text.getvalue())

    assert read(path) == ['Well; "maybe", or | not.', "two\nlines"]
    assert schema_of(path).delimiter == delimiter


@pytest.mark.parametrize("first", ["sep=;\r\n", "sep=;\n", '"sep=;"\n'])
def test_the_line_that_tells_excel_the_delimiter(write: Write, first: str) -> None:
    path = write("a.csv", first + "id;said, by whom\n1;x\n2;y z\n3\n")
    report = RowReport()

    assert read(path, report, columns={"body": "2"}) == ["x", "y z"]
    assert report.lines == {"too few fields": [5]}
    assert read(write("b.csv", first + "1;x\n2;y\n"), has_header=False, columns={"body": "2"}) == ["x", "y"]


def test_the_delimiter_of_other_names_is_the_one_that_splits_all_lines_alike(write: Write) -> None:
    path = write("a.csv", "nummer;inhalt\n1;ein Satz, mit Komma\n2;noch einer\n")
    message, hint = refusal_of(path)

    assert (message, hint) == ("'a.csv' has no column 'body'", "choose with --column among: inhalt, nummer")
    assert read(path, columns={"body": "inhalt"}) == ["ein Satz, mit Komma", "noch einer"]


def test_the_user_names_the_delimiter(write: Write) -> None:
    path = write("a.csv", "id^body\n1^one, two\n")

    assert read(path, delimiter="^") == ["one, two"]
    assert schema_of(path, delimiter="^").describe().endswith(": '^'-separated, text in 'body'")


def test_prose_with_delimiters_is_one_column(write: Write) -> None:
    report = RowReport()
    path = write("a.csv", "body\nWell; maybe | not\nYes; no, both\n")

    assert read(path, report) == ["Well; maybe | not", "Yes; no, both"]
    assert schema_of(path).is_plain


def test_quotes_of_a_tsv_are_part_of_the_text_unless_they_are_in_place(write: Write) -> None:
    raw = 'He said "no"\t3\n"Yes"\t4\n"I" think so\t5\n'
    assert read(write("a.tsv", raw)) == ['He said "no"', '"Yes"', '"I" think so']
    assert read(write("b.tsv", '"Yes"\t4\n"No"\t5\n')) == ['"Yes"', '"No"']
    assert (
        schema_of(write("a.tsv", raw)).describe().endswith(": no header, text in column 1 (--column chooses another)")
    )

    excel = 'id\tbody\n1\t"He said ""no"""\n2\t"a\ttab"\n3\tplain\n'
    assert read(write("c.tsv", excel)) == ['He said "no"', "a\ttab", "plain"]
    assert read(write("d.csv", excel)) == ['He said "no"', "a\ttab", "plain"]
    assert read(write("e.csv", f"body\tid\n{raw}")) == ['He said "no"', '"Yes"', '"I" think so']


def test_one_quote_out_of_place_does_not_change_how_a_table_is_read(write: Write) -> None:
    rows = "".join(f'{number};"a; b"\n' for number in range(20))
    report = RowReport()

    assert read(write("a.csv", f'id;body\n{rows}21;"x" y\n'), report) == ["a; b"] * 20
    assert report.skipped == {"not CSV": 1}


def test_spaces_after_delimiters_are_no_part_of_a_field(write: Write) -> None:
    assert read(write("a.csv", 'id, body\n1, "one, two"\n2, three\n')) == ["one, two", "three"]


def test_tables_as_r_and_pandas_write_them(write: Write) -> None:
    unnamed = write("a.csv", '"id","body"\n"1","c1","one"\n"2","c2","two"\n')
    assert read(unnamed) == ["one", "two"]
    assert schema_of(unnamed).names == ("", "id", "body")
    assert read(write("b.csv", '"","id","body"\n"1","c1","one"\n')) == ["one"]
    assert read(write("c.csv", '"id" "body"\n"c1" "one two"\n')) == ["one two"]
    assert read(write("d.csv", ",0\n0,one two\n1,three\n")) == ["one two", "three"]
    assert read(write("e.csv", ",0,1\n0,otter,one two\n"), columns={"body": "3"}) == ["one two"]


HEADERLESS = "23,2023-11-14,u/otter,https://www.reddit.com/r/x,Hello my friends\n5,2023-11-15,u/k,https://x.y,No.\n"


@pytest.mark.parametrize(
    ("content", "flags"),
    [
        (HEADERLESS, " --column 5"),
        (HEADERLESS.replace(",", ";"), " --column 5"),
        ("I love this place so much.\nMe too, really.\n", ""),
        ("otter,I love this place so much\nkettle,me too\n", " --column 2"),
        ("c1,otter,t3_abc,lol\nc2,kettle,t3_abd,what a day\n", " --column 4"),
        ("[deleted],what did they say\notter,no idea\n", " --column 2"),
        ("True,so be it\nFalse,no\n", " --column 2"),
    ],
)
def test_a_csv_whose_first_line_is_a_row_is_refused(write: Write, content: str, flags: str) -> None:
    path = write("a.csv", content)

    assert refusal_of(path) == ("'a.csv' seems to have no header", f"use --no-header{flags}")
    assert "Hello" not in "".join(refusal_of(path, columns={"body": "5"}))
    column = {"body": flags.split()[-1]} if flags else {}
    assert len(read(path, has_header=False, columns=column)) == 2
    assert read(path, has_header=False) == read(path, has_header=False, columns=column)


@pytest.mark.parametrize(
    "header",
    ["id,said", "Timestamp,What do you think about this place?", "auteur,texte", "score,x", "n,words of the people",
     "id,2023-11-14,body"],
)  # fmt: skip
def test_a_header_is_not_taken_for_a_row(write: Write, header: str) -> None:
    values = ",".join(["1", *["what a day it is"] * header.count(",")])
    names = header.split(",")
    path = write("a.csv", f"{header}\n{values}\n{values}\n")

    assert schema_of(path, columns={"body": names[-1]}).names == tuple(names)
    assert schema_of(path, columns={"body": str(len(names))}).names == tuple(names)


def test_a_single_column_is_said_since_its_name_may_be_a_text(write: Write) -> None:
    schema = schema_of(write("a.csv", "lol\nyes\n"))
    assert schema.describe().endswith(": text in 'lol' (--column chooses another)")


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("27\teebbqej\tMy favourite food is soup\n14\ted00q6i\tNow if he does it\n", "use --no-header --column 3"),
        ("2023-11-14\tshort\tsomething longer\n2023-11-15\tx\ty z\n", "use --no-header --column 3"),
    ],
)
def test_a_tsv_whose_first_column_is_no_text_is_refused(write: Write, content: str, hint: str) -> None:
    path = write("a.tsv", content)

    assert refusal_of(path) == ("'a.tsv' seems to have no header", hint)
    assert len(read(path, columns={"body": "3"})) == 2


def test_the_header_of_a_tsv_without_a_usual_text_is_not_read_as_a_text(write: Write) -> None:
    assert refusal_of(write("a.tsv", "id\tsaid\n1\tone\n"))[0] == "'a.tsv' has no column 'body'"
    assert refusal_of(write("a.tsv", "nr\tsaid\n1\tone\n"))[0] == "'a.tsv' has no column 'body'"


def test_rows_shorter_than_the_header_are_kept_if_their_text_is_there(write: Write) -> None:
    report = RowReport()
    path = write("a.csv", "id,body,score,flair\n1,one\n2\n3,three,4,x\n4,four,5\n5,five,6,x,\n6,six,7,x,y\n")

    assert read(path, report) == ["one", "three", "four", "five"]
    assert report.skipped == {"too few fields": 1, "too many fields": 1}
    assert (
        report.messages()[0]
        == f"'{path}' has 2 rows with fewer fields than columns: the missing ones are read as empty"
    )
    records = list(open_records(resolve_source(path), ReadOptions(), RowReport()).rows)
    assert records[0].fields == {"id": "1", "body": "one", "score": "", "flair": ""}
    assert read(write("a.tsv", "body\tid\none\ntwo\t2\n")) == ["one", "two"]


def test_quoted_names_between_tabs_name_the_text(write: Write) -> None:
    assert read(write("a.csv", '"comment_text"\t"id"\r\n" so"\t"\n"\r\n')) == [" so"]


NAMES = st.sampled_from(["body", "Body", "comment", "comment_text", "text", "Message"])
OTHERS = st.lists(
    st.sampled_from(["id", "author", "score", "created_utc", "n", "flair", "permalink"]), min_size=1, unique=True
)
CELLS = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=20)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    suffix=st.sampled_from(["csv", "tsv"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    name=NAMES,
    others=OTHERS,
    data=st.data(),
)
def test_any_table_with_a_usual_name_is_read_back(
    tmp_path: Path, delimiter: str, suffix: str, quoting: Any, name: str, others: list[str], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(others)))
    header = [*others[:place], name, *others[place:]]
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header)), min_size=1, max_size=8))
    if name.lower() != "body":  # the text need not look like one under this name alone
        rows[0][place] += " so"
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows([header, *rows])
    path = tmp_path / f"a.{suffix}"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    records = open_records(resolve_source(str(path)), ReadOptions(), RowReport())

    assert records.schema.names == tuple(header)
    assert records.schema.text_column == name
    assert [list(record.fields.values()) for record in records.rows] == rows


def test_texts_with_commas_and_no_header_are_one_column(write: Write) -> None:
    path = write("a.csv", "Well, yes, I think so.\nNo.\nMe too, really\n")

    assert refusal_of(path) == ("'a.csv' seems to have no header", "use --no-header")
    assert read(path, has_header=False) == ["Well, yes, I think so.", "No.", "Me too, really"]


def test_a_first_line_whose_words_come_again_is_a_row(write: Write) -> None:
    assert refusal_of(write("a.csv", "otter,lol\nkettle,yes\notter,no\n"))[0] == "'a.csv' seems to have no header"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_header_of_a_file_that_was_joined_is_no_comment(write: Write, name: str) -> None:
    delimiter = "," if name == "a.csv" else "\t"
    report = RowReport()
    content = f"id{delimiter}body\n1{delimiter}one\n"

    assert read(write(name, content * 2), report) == ["one", "one"]
    assert report.skipped == {"header repeated": 1}


def test_the_line_that_powershell_writes_first(write: Write) -> None:
    path = write("a.csv", '#TYPE System.Management.Automation.PSCustomObject\r\n"id","body"\r\n"1","one, two"\r\n')
    assert read(path) == ["one, two"]


def test_a_table_with_unquoted_delimiters_in_many_rows_is_refused(write: Write) -> None:
    path = write("a.csv", "author,body\na,one, two\nb,three\nc,four, five, six\nd,seven, eight\n")
    assert refusal_of(path) == (
        "'a.csv' has more fields than columns in 3 of its first 5 lines",
        "quote the fields that contain delimiters, or choose another with --delimiter",
    )
    assert read(write("b.csv", "id,body,\n" + "1,x,,\n" * 9)) == ["x"] * 9


def test_carriage_returns_alone_end_lines_as_well(write: Write) -> None:
    assert read(write("a.csv", 'id,body\r1,"one, two"\r2,three\r')) == ["one, two", "three"]
    assert read(write("a.jsonl", '{"body":"one"}\r{"body":"two"}')) == ["one", "two"]
    assert read(write("b.csv", "body\r\none\rtwo\r\nthree\r\n")) == ["three"]


def test_remarks_before_the_header_are_no_header(write: Write) -> None:
    assert read(write("a.csv", "# exported, by a program\n# in 2024\nid;body\n1;one\n")) == ["one"]
    assert schema_of(write("b.csv", "#id,body\n1,one\n")).names == ("#id", "body")


def test_an_error_quotes_no_line_that_may_be_a_comment(write: Write) -> None:
    path = write("a.csv", "otter,lol yes\nkettle,no way\n")
    hint = "choose with --column among: 1 to 2; or use --no-header if the first line is a row"

    assert refusal_of(path) == ("'a.csv' has no column 'body'", hint)
    assert refusal_of(path, columns={"body": "3"}) == ("'a.csv' has no column '3'", hint)
    assert "lol" not in "".join(refusal_of(path, columns={"body": "1", "author": "who"}))
    assert refusal_of(write("b.csv", "otter,I love this place\nkettle,no\n"))[0].endswith("seems to have no header")


@pytest.mark.parametrize(
    "title", ["Export of r/madeup,,\n,,\n", "Reddit export 2023-11-14\n\n", "# made by a tool\n# with remarks, two\n"]
)
def test_a_title_before_the_header_is_said_and_not_read(write: Write, title: str) -> None:
    path = write("a.csv", title + "author,comment,score\nann,One of them.,3\nbob,Another one.,4\n")

    assert read(path) == ["One of them.", "Another one."]
    assert "before the header" in schema_of(path).describe()


@pytest.mark.parametrize("delimiter", ["^", "~", "\x01", "¦"])
def test_a_rare_delimiter_is_seen_between_usual_names(write: Write, delimiter: str) -> None:
    path = write("a.csv", "author,body,score\nann,One; two of them.,3\n".replace(",", delimiter))

    assert read(path) == ["One; two of them."]


@pytest.mark.parametrize("header", ["", '"id","author","body"\n'])
def test_backslashes_before_quotes_as_mysql_writes_them(write: Write, header: str) -> None:
    rows = "".join(f'"{number}","ann","He said \\"it is {number}\\" and, well, left."\n' for number in range(5))
    path = write("a.csv", header + rows)
    texts = [f'He said "it is {number}" and, well, left.' for number in range(5)]

    assert (read(path) if header else read(path, has_header=False, columns={"body": "3"})) == texts


def test_a_header_that_is_too_long_is_called_so(write: Write) -> None:
    path = write("a.csv", ",".join(["x" * 1000] * 5000) + "\n1\n")

    assert refusal_of(path)[0] == "invalid header in 'a.csv': line too long"
