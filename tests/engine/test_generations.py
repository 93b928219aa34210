"""Tables of one build count together; who reads holds one build from first to last."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from caer_data import Dataset
from caer_data.engine import tables
from caer_data.engine.generations import KEPT


def person(number: int) -> pd.DataFrame:
    row = {"person_id": f"s.p{number}", "show": "s", "tracks": number, "shots": 1, "videos": 1}
    return tables.frame(tables.PEOPLE, [row | {"seconds": 1.0, "best_track_id": "t"}])


def key(number: int) -> pd.DataFrame:
    return tables.frame(tables.KEYS, [{"clip_key": f"key{number}", "names": [str(number)]}])


def build(dataset: Dataset, number: int) -> None:
    with dataset.generation() as path_of:
        tables.write(tables.PEOPLE, person(number), path_of(tables.PEOPLE))
        tables.write(tables.KEYS, key(number), path_of(tables.KEYS))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text("name: caer\n")
    return tmp_path


def seen(dataset: Dataset) -> tuple[int, str]:
    return int(dataset.people["tracks"][0]), str(dataset.read(tables.KEYS)["clip_key"][0])


def test_a_reader_holds_the_build_that_it_began_with(folder: Path) -> None:
    build(Dataset(folder), 1)
    reader = Dataset(folder)
    assert reader.people["tracks"].tolist() == [1]
    build(Dataset(folder), 2)
    assert seen(reader) == (1, "key1")  # the second table is of the same build as the first
    assert seen(Dataset(folder)) == (2, "key2")


def test_who_builds_sees_what_was_built(folder: Path) -> None:
    dataset = Dataset(folder)
    for number in (1, 2):
        build(dataset, number)
        assert seen(dataset) == (number, f"key{number}")


def test_a_build_that_fails_between_two_tables_changes_nothing(folder: Path) -> None:
    dataset = Dataset(folder)
    build(dataset, 1)
    with pytest.raises(RuntimeError), dataset.generation() as path_of:
        tables.write(tables.PEOPLE, person(2), path_of(tables.PEOPLE))
        raise RuntimeError
    assert seen(dataset) == seen(Dataset(folder)) == (1, "key1")
    assert {path.name for path in (folder / "generations").iterdir()} == {"000001", "current"}


def test_a_build_killed_before_its_tables_count_changes_nothing(folder: Path) -> None:
    build(Dataset(folder), 1)
    (folder / "generations" / "000002").mkdir()  # renamed, but not yet current
    assert seen(Dataset(folder)) == (1, "key1")
    build(Dataset(folder), 3)
    assert seen(Dataset(folder)) == (3, "key3")


def test_one_table_written_alone_takes_the_others_along(folder: Path) -> None:
    build(Dataset(folder), 1)
    dataset = Dataset(folder)
    dataset.write(tables.PEOPLE, person(5))
    assert seen(dataset) == seen(Dataset(folder)) == (5, "key1")


def test_other_programs_find_the_tables_where_they_were(folder: Path) -> None:
    for number in (1, 2):
        build(Dataset(folder), number)
        shown = pd.read_parquet(folder / "tables" / "people.parquet")
        assert shown["tracks"].tolist() == [number]


def test_a_dataset_without_generations_is_read_and_written_as_before(folder: Path) -> None:
    dataset = Dataset(folder)
    dataset.write(tables.PEOPLE, person(1))
    assert dataset.people["tracks"].tolist() == [1]
    assert not (folder / "generations").exists()


def test_old_generations_go_and_nothing_else(folder: Path) -> None:
    build(Dataset(folder), 1)
    note = folder / "generations" / "000001" / "NOTES.md"
    note.write_text("mine")
    (folder / "generations" / "mine").mkdir()
    for number in range(2, KEPT + 4):
        build(Dataset(folder), number)
    there = sorted(path.name for path in (folder / "generations").iterdir())
    last = KEPT + 3
    numbers = [f"{n:06d}" for n in range(last - KEPT, last + 1)]
    assert there == ["000001", *numbers, "current", "mine"]
    assert [path.name for path in note.parent.iterdir()] == ["NOTES.md"]


@pytest.mark.parametrize("text", ["", "../../etc", "999999", "\x00"], ids=repr)
def test_a_damaged_pointer_falls_back_to_the_tables_that_are_shown(folder: Path, text: str) -> None:
    build(Dataset(folder), 1)
    (folder / "generations" / "current").write_text(text)
    assert seen(Dataset(folder)) == (1, "key1")
