from __future__ import annotations

import subprocess
import sys

import pytest

import caer_data
from caer_data import Dataset
from caer_data.engine import recipe, tables
from caer_data.engine.errors import BusyError, CaerError


@pytest.fixture
def dataset(tmp_path):
    made = Dataset(tmp_path / "d")
    made.folder.mkdir()
    made.recipe_path.write_text(recipe.dump(recipe.Recipe()))
    return made


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_is_an_attribute(dataset, name):
    table = tables.TABLES[name]
    assert not dataset.has(table)
    dataset.write(table, tables.empty(table))
    assert list(getattr(dataset, name).columns) == table.names


def test_a_folder_that_is_no_dataset_says_how_to_make_one(tmp_path):
    with pytest.raises(CaerError, match="caer-data build --shows"):
        _ = Dataset(tmp_path).clips


def test_a_table_not_yet_made(dataset):
    with pytest.raises(CaerError, match="no table 'clips' here"):
        _ = dataset.clips


@pytest.mark.parametrize(
    ("name", "verb"), [("labels", "pull"), ("ratings", "import"), ("assignments", "push")]
)
def test_a_table_of_ratings_not_yet_made_says_what_makes_it(dataset, name, verb):
    with pytest.raises(
        CaerError, match=f"no table '{name}' yet; it is written by .*annotate {verb}'"
    ):
        getattr(dataset, name)


def test_the_recipe_is_read_back(dataset):
    assert dataset.recipe == recipe.Recipe()


def test_two_commands_on_one_folder(dataset):
    script = (
        "import sys; from caer_data import Dataset\n"
        "with Dataset(sys.argv[1]).lock(): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(dataset.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match="another caer-data command"), dataset.lock():
            pass
        other.kill()
        other.wait()
    with dataset.lock():
        pass


def test_the_package_offers_its_names():
    assert caer_data.Dataset is Dataset
    with pytest.raises(AttributeError):
        _ = caer_data.nothing
