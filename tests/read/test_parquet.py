"""Parquet files: the rows of any of them, and an error for whatever is not one."""

import datetime
import gzip
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import ExitStatus, GruError, UsageError
from grucli.read.blocks import RowReport
from grucli.read.records import open_records
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions
from grucli.read.sources import resolve_source

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write_table(path: Path, rows: int = 3000) -> Path:
    table = pyarrow.table(
        {
            "id": [f"c{n}" for n in range(rows)],
            "body": [f"text {n}" for n in range(rows)],
            "score": pyarrow.array(range(rows), pyarrow.int64()),
            "created_utc": [datetime.datetime(2005, 12, 12, 5, 26, 28)] * rows,
            "tags": [["a", "b"]] * rows,
        }
    )
    parquet.write_table(table, path, row_group_size=1000)
    return path


def test_its_rows_are_records(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.parquet")
    reported: list[int] = []
    records = open_records(resolve_source(str(path)), ReadOptions(), RowReport(), reported.append)

    assert records.schema.names == ("id", "body", "score", "created_utc")
    result = list(records.rows)
    assert result[2999] == (3000, {"id": "c2999", "body": "text 2999", "score": 2999, "created_utc": 1134365188})
    assert sum(reported) == path.stat().st_size
    assert next(read_rows(str(path), ReadOptions().with_column("id"), RowReport())).body == "c0"


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("body\nx\n")
    with pytest.raises(UsageError, match="not a Parquet file"):
        list(read_rows(str(path), ReadOptions(), RowReport()))
    packed = tmp_path / "b.parquet.gz"
    packed.write_bytes(gzip.compress(write_table(tmp_path / "b.parquet").read_bytes()))
    with pytest.raises(UsageError, match=r"compressed \.parquet files are not supported"):
        list(read_rows(str(packed), ReadOptions(), RowReport()))


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name="pyarrow")

    monkeypatch.setattr("grucli.optional_imports.importlib.import_module", missing)
    with pytest.raises(UsageError) as caught:
        list(read_rows(str(write_table(tmp_path / "a.parquet")), ReadOptions(), RowReport()))
    assert "grucli[parquet]" in caught.value.hint


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_a_damaged_one_is_an_error_and_nothing_worse(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.parquet"
    whole = bytearray(write_table(path, 50).read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with suppress(GruError):
        list(read_rows(str(path), ReadOptions().with_column("id"), RowReport()))


def test_a_file_cut_short_is_damaged(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(GruError, match="corrupt") as caught:
        list(read_rows(str(path), ReadOptions(), RowReport()))
    assert caught.value.status == ExitStatus.FAILED
