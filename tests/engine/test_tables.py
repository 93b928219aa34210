from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from caer_data.engine import tables
from caer_data.engine.errors import CaerError

PERSON = {
    "person_id": "s.p0001", "show": "S", "tracks": 2, "shots": 2, "videos": 1, "seconds": 3.5,
    "best_track_id": "s.e.s0001.t1", "name": "Bo",
    "identity": "s.p0001",
}  # fmt: skip


@pytest.mark.parametrize("table", tables.TABLES.values(), ids=lambda t: t.name)
def test_every_table_is_declared_well(table):
    assert set(table.key) <= set(table.names)
    assert len(set(table.names)) == len(table.names)
    assert all(c.meaning for c in table.columns)
    data = tables.empty(table)
    assert tables.check(table, data).num_rows == 0


def test_round_trip_keeps_types_and_metadata(tmp_path):
    path = tmp_path / "people.parquet"
    tables.write(tables.PEOPLE, tables.frame(tables.PEOPLE, [PERSON]), path)
    assert tables.read(tables.PEOPLE, path).to_dict("records") == [PERSON]
    assert pd.read_parquet(path)["seconds"].tolist() == [3.5]
    assert pq.read_schema(path).field("seconds").metadata[b"unit"] == b"s"


def test_equal_rows_give_equal_bytes(tmp_path):
    for name in "ab":
        tables.write(tables.PEOPLE, tables.frame(tables.PEOPLE, [PERSON]), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_categories_give_the_same_bytes_as_text(tmp_path):
    people = tables.frame(tables.PEOPLE, [PERSON, {**PERSON, "person_id": "s.p0002", "name": None}])
    words = {name: pd.Categorical(people[name]) for name in ("person_id", "show", "name")}
    tables.write(tables.PEOPLE, people, tmp_path / "text")
    tables.write(tables.PEOPLE, people.assign(**words), tmp_path / "categories")
    assert (tmp_path / "text").read_bytes() == (tmp_path / "categories").read_bytes()


def test_an_empty_category_is_refused_where_a_cell_must_be_filled():
    people = tables.frame(tables.PEOPLE, [PERSON])
    with pytest.raises(CaerError, match="show was non-nullable"):
        tables.check(tables.PEOPLE, people.assign(show=pd.Categorical([None], ["S"])))


@pytest.mark.parametrize("wrong", [[1], [1.5], [True]])
def test_categories_of_another_type_are_refused_as_other_cells_are(wrong):
    people = tables.frame(tables.PEOPLE, [PERSON])
    for cells in (pd.Series(wrong, dtype=object), pd.Series(pd.Categorical(wrong))):
        with pytest.raises(CaerError, match="table 'people'"):
            tables.check(tables.PEOPLE, people.assign(show=cells))


def test_categories_of_text_are_no_numbers():
    people = tables.frame(tables.PEOPLE, [PERSON])
    number = next(c.name for c in tables.PEOPLE.columns if c.type == tables.INT)
    with pytest.raises(CaerError, match="table 'people'"):
        tables.check(tables.PEOPLE, people.assign(**{number: pd.Categorical(["1"])}))


def test_empty_cells_survive(tmp_path):
    row = {"video_id": "s.e", "show": "S", "episode": "e", "path": "p", "status": "failed",
           "reason": "broken", "bytes": 0}  # fmt: skip
    tables.write(tables.VIDEOS, tables.frame(tables.VIDEOS, [row]), tmp_path / "v")
    back = tables.read(tables.VIDEOS, tmp_path / "v").iloc[0]
    assert pd.isna(back["frames"])
    assert pd.isna(back["has_audio"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.drop(columns="seconds"), r"missing columns \['seconds'\]"),
        (lambda d: d.assign(extra=1), r"unknown columns \['extra'\]"),
        (lambda d: d.assign(tracks="many"), "people"),
        (lambda d: d.assign(show=None), "show.* null value"),
        (lambda d: pd.concat([d, d]), "occurs more than once"),
    ],
    ids=["missing", "unknown", "type", "empty", "repeated"],
)
def test_a_frame_that_breaks_its_declaration_is_refused(change, words, tmp_path):
    data = change(tables.frame(tables.PEOPLE, [PERSON]))
    with pytest.raises(CaerError, match=words):
        tables.write(tables.PEOPLE, data, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_word_is_refused():
    row = {"clip_id": "c", "rater": "r", "status": "maybe", "too_fast": False, "edited": False,
           "source": "csv", "source_id": "1"}  # fmt: skip
    with pytest.raises(CaerError, match="holds \\['maybe'\\]"):
        tables.check(tables.RATINGS, tables.frame(tables.RATINGS, [row]))


@pytest.mark.parametrize("content", [None, b"", b"not parquet"], ids=["absent", "empty", "junk"])
def test_an_unreadable_table_is_one_sentence(tmp_path, content):
    path = tmp_path / "people.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CaerError, match=r"people\.parquet"):
        tables.read(tables.PEOPLE, path)


@pytest.mark.parametrize("error", [
    pa.ArrowNotImplementedError("Unknown\n encoding"),
    pa.ArrowKeyError("no such field"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
], ids=lambda error: type(error).__name__)  # fmt: skip
@pytest.mark.parametrize("read", [
    tables.read,
    tables.count,
    lambda table, path: list(tables.read_parts(table, path, ["person_id", "show"], "show")),
    lambda table, path: tables.read_some(table, path, ["person_id"], show=["S"]),
], ids=["read", "count", "read parts", "read some"])  # fmt: skip
def test_whatever_arrow_cannot_read_is_one_sentence(tmp_path, read, error, monkeypatch):
    path = tmp_path / "people.parquet"
    tables.write(tables.PEOPLE, tables.frame(tables.PEOPLE, [PERSON]), path)

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pq, "ParquetFile", fail)
    monkeypatch.setattr(pq, "read_schema", fail)
    monkeypatch.setattr(pq, "read_table", fail)
    with pytest.raises(CaerError, match=r"people\.parquet: not a readable parquet table \(.*\)$"):
        read(tables.PEOPLE, path)


def test_lack_of_memory_says_nothing_about_a_table(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 9 failed")

    monkeypatch.setattr(pq, "ParquetFile", fail)
    with pytest.raises(MemoryError):
        tables.read(tables.PEOPLE, tmp_path / "people.parquet")


def test_a_table_of_another_layout_is_refused(tmp_path):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "p")
    with pytest.raises(CaerError, match="another version"):
        tables.read(tables.PEOPLE, tmp_path / "p")


def test_a_table_that_plain_pandas_wrote_back_is_accepted_if_its_columns_are_right(tmp_path):
    path = tmp_path / "people.parquet"
    rows = tables.frame(tables.PEOPLE, [PERSON, {**PERSON, "person_id": "s.p0002", "name": None}])
    tables.write(tables.PEOPLE, rows, path)
    written = pd.read_parquet(path).astype({"tracks": "float64", "show": "category"})
    written.sample(frac=1, axis=1, random_state=1).to_parquet(path)
    pd.testing.assert_frame_equal(tables.read(tables.PEOPLE, path), rows)
    for column, cell, words in (
        ("tracks", 2.5, "column 'tracks' must hold whole numbers$"),
        ("tracks", None, "column 'tracks' has empty cells; it must hold whole numbers in every"),
        ("tracks", "many", "column 'tracks' must hold whole numbers, but holds 'many'"),
        ("show", None, "column 'show' has empty cells; it must hold text in every row"),
        ("person_id", "same", "more than once"),
    ):  # fmt: skip
        written.astype({"show": object}).assign(**{column: cell}).to_parquet(path)
        with pytest.raises(CaerError, match=words):
            tables.read(tables.PEOPLE, path)


def test_long_tables_are_written_part_by_part(tmp_path):
    parts = [
        tables.check(tables.PEOPLE, tables.frame(tables.PEOPLE, [PERSON | {"person_id": str(n)}]))
        for n in range(3)
    ]
    tables.write_arrow(tables.PEOPLE, parts, tmp_path / "p")
    assert tables.read(tables.PEOPLE, tmp_path / "p")["person_id"].tolist() == ["0", "1", "2"]


def test_a_table_without_a_column_that_was_added_since_is_read(tmp_path):
    arrow = tables.check(tables.PEOPLE, tables.frame(tables.PEOPLE, [PERSON]))
    pq.write_table(arrow.drop_columns(["name"]), tmp_path / "p")
    back = tables.read(tables.PEOPLE, tmp_path / "p")
    assert back["name"].isna().all() and back["show"].tolist() == ["S"]


def test_some_columns_are_read_as_in_the_whole_table(tmp_path):
    rows = tables.frame(tables.PEOPLE, [PERSON, {**PERSON, "person_id": "s.p0002", "name": None}])
    whole = tables.check(tables.PEOPLE, rows)
    changed = rows.astype({"tracks": "float64"}).sample(frac=1, axis=1, random_state=1)
    pq.write_table(whole, tmp_path / "own")
    pq.write_table(whole.drop_columns(["name"]), tmp_path / "of an earlier version")
    changed.to_parquet(tmp_path / "of another program")
    for path in tmp_path.iterdir():
        every = tables.read(tables.PEOPLE, path)
        for columns in (["tracks", "person_id"], ["name"], ["show", "name", "videos"]):
            some = tables.to_pandas(tables.read_arrow(tables.PEOPLE, path, columns))
            pd.testing.assert_frame_equal(some, every[columns])


def test_numbers_and_booleans_keep_their_types_whether_cells_are_empty_or_not():
    arrow = pa.table(
        {
            "some": pa.array([2**53 + 1, None, 3]),
            "word": ["a", None, "c"],
            "none": pa.nulls(3, pa.int64()),
            "always": pa.array([1, 2, 3]),
            "known": pa.array([True, None, False]),
        },
        pa.schema(
            [
                pa.field("some", pa.int64()),
                pa.field("word", pa.string()),
                pa.field("none", pa.int64()),
                pa.field("always", pa.int64(), nullable=False),
                pa.field("known", pa.bool_()),
            ]
        ),
    )
    for rows in (arrow, arrow.slice(1, 2), pa.concat_tables([arrow, arrow])):
        data = tables.to_pandas(rows)
        kinds = {"some": "Int64", "word": str(tables.TEXT), "none": "Int64", "always": "int64"}
        assert data.dtypes.astype(str).to_dict() == {**kinds, "known": "boolean"}
        cells = [[None if pd.isna(v) else v for v in data[name]] for name in data]
        assert cells == [rows[name].to_pylist() for name in rows.schema.names]
    only = tables.to_pandas(arrow.select(["some", "known"]))
    assert only["some"].tolist()[0] == 2**53 + 1 and len(only) == 3


def test_long_tables_are_written_row_group_by_row_group(tmp_path, monkeypatch):
    rows = tables.frame(tables.PEOPLE, [PERSON | {"person_id": str(n)} for n in range(7)])
    rows = rows.assign(show=pd.Categorical(["A", "B", "A", "C", "A", "B", "B"]))
    whole = tables.check(tables.PEOPLE, rows)
    for size in (3, 7, 100):
        monkeypatch.setattr(tables, "_ROW_GROUP", size)
        tables.write(tables.PEOPLE, rows, tmp_path / "a")
        pq.write_table(whole, tmp_path / "b", row_group_size=size, compression="zstd")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    monkeypatch.setattr(tables, "_ROW_GROUP", 3)
    twice = rows.assign(person_id=list("0123450"))
    with pytest.raises(CaerError, match="'0'} occurs more than once"):
        tables.write(tables.PEOPLE, twice, tmp_path / "a")
    assert len(tables.read(tables.PEOPLE, tmp_path / "a")) == 7
    assert tables.count(tables.PEOPLE, tmp_path / "a") == 7
