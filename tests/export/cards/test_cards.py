from __future__ import annotations

import json
import re

import pandas as pd
import pytest
import yaml
from export_fixtures import make_dataset, options, tree

from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.progress import Reporter
from caer_data.export.cards import statements
from caer_data.export.release import export

CARDS = ["README.md", "datasheet.md", "croissant.json"]


def test_the_card_says_of_shows_persons_and_lengths_what_the_manifest_holds(everything):
    text = (everything.folder / "README.md").read_text(encoding="utf-8")
    clips = everything.manifest.drop_duplicates("clip_id")
    for show, own in clips.groupby("show"):
        seconds = (own["end_s"] - own["start_s"]).sum()
        row = f"| {show} | 1 | {own['person_id'].nunique()} | {len(own)} | {seconds / 60:,.1f} |"
        assert row in text
    assert f"{clips['person_id'].nunique()} persons, distinguished by face recognition" in text
    assert "neither inferred nor recorded" in text


def made(dataset, tmp_path, **changes):
    release = export(dataset, tmp_path / "out", options(**changes), Reporter("quiet"))
    return {name: (release.folder / name).read_text() for name in CARDS}, release


@pytest.fixture(scope="module")
def cards(everything):
    return {name: (everything.folder / name).read_text() for name in CARDS}


def test_croissant_is_valid_and_its_records_can_be_read(everything):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the extra 'test'")
    dataset = mlcroissant.Dataset(jsonld=everything.folder / "croissant.json")
    assert dataset.metadata.ctx.issues.errors == set()
    assert dataset.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert dataset.metadata.data_limitations
    rows = list(dataset.records("manifest"))
    assert len(rows) == len(everything.manifest)
    assert {row["manifest/split"] for row in rows} == {b"train", b"validation", b"test"}
    assert len(list(dataset.records("emotions"))) == 7


def test_croissant_of_a_release_without_media_is_valid(dataset, tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the extra 'test'")
    _, release = made(dataset, tmp_path, media=False)
    found = mlcroissant.Dataset(jsonld=release.folder / "croissant.json")
    assert [f.name for f in found.metadata.distribution] == [
        "manifest.parquet", "sources.parquet", "boxes.parquet",
    ]  # fmt: skip


def test_the_header_is_yaml_that_names_the_files_of_each_split(cards):
    header = yaml.safe_load(cards["README.md"].split("---")[1])
    assert header["license"] == "other"
    files = header["configs"][0]["data_files"]
    assert [f["split"] for f in files] == ["train", "validation", "test"]


@pytest.mark.parametrize("name", CARDS)
def test_every_card_says_what_must_be_said(cards, name):
    text = cards[name]
    for needed in (statements.MEANING, "Article 5(1)(f)", "must not be passed on", "embeddings"):
        assert needed in text


def test_the_datasheet_has_numbers_and_marked_blanks(cards, everything):
    text = cards["datasheet.md"]
    assert text.count("[to be filled in") >= 8
    assert "| clips released | 21 |" in text
    assert "min_confidence: 0.5" in text  # the recipe
    assert "| opencv-python-headless |" in text
    assert "21 clips" in cards["README.md"]
    assert "| happy | 3 |" in cards["README.md"]


@pytest.mark.parametrize("name", [*CARDS, "release.json", "audit.json", "splits.csv"])
def test_no_rater_s_address_and_no_absolute_path(everything, name):
    text = (everything.folder / name).read_text()
    assert "example.org" not in text
    assert str(everything.folder.parent) not in text


def test_no_rater_s_address_in_the_tables(everything):
    tables_read = 0
    for path in everything.folder.rglob("*"):
        if path.is_file():
            assert b"example.org" not in path.read_bytes(), path
        if path.suffix == ".parquet":  # compressed
            assert "example.org" not in pd.read_parquet(path).to_csv(), path
            tables_read += 1
    assert tables_read > 3


@pytest.mark.parametrize("media", [True, False], ids=["media", "no-media"])
@pytest.mark.parametrize("rights", [None, "CC BY 4.0, with consent"], ids=["none", "stated"])
def test_rights_are_said_in_every_card(dataset, tmp_path, media, rights):
    cards, _ = made(dataset, tmp_path, media=media, rights=rights, layouts=("caer",))
    licence = json.loads(cards["croissant.json"])["license"]
    for text in (licence, cards["README.md"], cards["datasheet.md"]):
        assert (rights in text) if rights else ("not stated" in text)
        assert ("must not be passed on" in text) == (media and not rights)
        assert ("rebuild" in text) != media


STATED = """
title: Faces in context
version: 1.1.0
url: https://example.org/faces
creators: [{name: Ada | Lovelace, affiliation: Home}]
date_published: 2026-11-25
cite_as: "@misc{faces}"
contact: ada@example.net
license: CC-BY-4.0
rights: The makers of the shows agreed.
consent: All actors agreed in writing.
"""


def test_what_release_yaml_states_is_on_every_card(dataset, tmp_path):
    (dataset.folder / "release.yaml").write_text(STATED)
    cards, release = made(dataset, tmp_path, layouts=("caer",))
    croissant = json.loads(cards["croissant.json"])
    assert croissant["name"] == "Faces in context"
    assert croissant["version"] == "1.1.0"
    assert croissant["creator"][0]["affiliation"]["name"] == "Home"
    assert croissant["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert croissant["citeAs"] == "@misc{faces}"
    header = yaml.safe_load(cards["README.md"].split("---")[1])
    assert header["license"] == "cc-by-4.0"
    for text in ("All actors agreed in writing.", "ada@example.net", r"Ada \| Lovelace"):
        assert text in cards["datasheet.md"]
    for card in (cards["README.md"], cards["datasheet.md"]):
        assert "The makers of the shows agreed." in card
    assert set(release.missing) == {
        "funding", "research_question", "content", "ethical_review", "raters", "maintenance",
    }  # fmt: skip
    # the form belongs to the dataset: exported again, it is read again
    (dataset.folder / "release.yaml").write_text(STATED.replace("1.1.0", "1.2.0"))
    cards, _ = made(dataset, tmp_path, layouts=("caer",), overwrite=True)
    assert json.loads(cards["croissant.json"])["version"] == "1.2.0"


def test_nothing_is_claimed_of_ratings_whose_making_is_not_known(dataset, tmp_path):
    cards, _ = made(dataset, tmp_path, layouts=("caer",), media=False)
    for name in ("README.md", "datasheet.md"):
        assert "Label Studio" not in cards[name]
        assert "with sound is not stated" in cards[name]
    assert "Raters heard the sound" not in cards["datasheet.md"]


def test_ratings_of_our_pages_are_known(dataset, tmp_path):
    rows = [
        {"clip_id": k, "clip_key": k, "rater": "a@x.org", "emotion": "happy", "confidence": 0.8,
         "status": "accepted", "too_fast": False, "edited": False, "source": "label-studio",
         "source_id": k}
        for k in dataset.labels.clip_key
    ]  # fmt: skip
    dataset.write(tables.RATINGS, tables.frame(tables.RATINGS, rows))
    cards, _ = made(dataset, tmp_path, layouts=("caer",), media=False)
    assert "watched a clip with sound" in cards["README.md"]
    assert json.loads(cards["croissant.json"])["rai:dataAnnotationPlatform"] == ["Label Studio"]


def test_croissant_has_what_reviewers_ask_of_responsible_ai(cards):
    """The fields that NeurIPS 2026 asks for, pictures as records, and splits that are splits."""
    croissant = json.loads(cards["croissant.json"])
    for field in ("dataLimitations", "dataBiases", "personalSensitiveInformation", "dataUseCases",
                  "dataSocialImpact", "hasSyntheticData"):  # fmt: skip
        assert f"rai:{field}" in croissant
    assert croissant["rai:hasSyntheticData"] is False
    assert {"prov:wasDerivedFrom", "prov:wasGeneratedBy"} <= croissant.keys()
    sets = {found["@id"]: found for found in croissant["recordSet"]}
    assert sets["splits"]["dataType"] == "cr:Split"
    assert {"caer-s-files", "caer-s-2019-files"} <= sets.keys()
    split = next(f for f in sets["manifest"]["field"] if f["name"] == "split")
    assert split["references"] == {"field": {"@id": "splits/name"}}


def test_every_record_set_can_be_read(everything):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the extra 'test'")
    found = mlcroissant.Dataset(jsonld=everything.folder / "croissant.json")
    assert found.metadata.record_sets
    for records in found.metadata.record_sets:
        assert next(iter(found.records(records.uuid))), records.uuid


def test_made_up_ratings_are_said_everywhere(tmp_path):
    dataset = make_dataset(tmp_path / "dataset", made_up=True)
    cards, release = made(dataset, tmp_path, layouts=("caer",))
    for name in CARDS:
        assert statements.MADE_UP in cards[name], name
    assert json.loads(cards["croissant.json"])["rai:hasSyntheticData"] is True
    about = json.loads((release.folder / "release.json").read_text())
    assert about["facts"]["about"]["made_up_ratings"] is True
    assert release.manifest.made_up.all()


def test_agreement_with_its_interval(dataset, tmp_path):
    rows = [
        {"clip_id": k, "clip_key": k, "rater": r, "emotion": e, "confidence": 0.8,
         "status": "accepted", "too_fast": False, "edited": False, "source": "csv",
         "source_id": f"{k}{r}"}
        for k, label in zip(dataset.labels.clip_key, dataset.labels.emotion, strict=True)
        for r, e in (("a@x.org", label), ("b@x.org", label), ("c@x.org", "neutral"))
    ]  # fmt: skip
    dataset.write(tables.RATINGS, tables.frame(tables.RATINGS, rows))
    cards, _ = made(dataset, tmp_path, layouts=("caer",), media=False)
    found = re.search(
        r"alpha (0\.\d+)\s*\(95 % interval (0\.\d+) to (0\.\d+)\)", cards["datasheet.md"]
    )
    assert found is not None
    assert float(found[2]) < float(found[1]) < float(found[3])


def test_models_of_the_users_are_named_without_their_folders(tmp_path):
    dataset = make_dataset(tmp_path / "dataset")
    text = dataset.recipe_path.read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    values["speech"] |= {"speaker": "lr-asd", "speaker_model": "/home/ann/models/asd.onnx"}
    values["faces"]["weights"] = "/home/ann/models"
    dataset.recipe_path.write_text(yaml.safe_dump(values), encoding="utf-8")
    known = {"caer_data": "1", "python": "3", "ffmpeg": "7", "packages": {}}
    dataset.provenance_path.write_text(json.dumps(known | {"speaker_model": "ab" * 32}))
    texts, release = made(dataset, tmp_path)
    recipe = (release.folder / "recipe.yaml").read_text(encoding="utf-8")
    assert "/home/ann" not in recipe + "".join(texts.values())
    assert "asd.onnx" in recipe
    assert "ab" * 32 in texts["datasheet.md"]


def test_names_from_outside_do_not_change_the_markup(tmp_path):
    dataset = make_dataset(tmp_path / "dataset", shows=3, clips=3, media=False)
    named = recipes.Recipe(name="a|b <script>\n# c")
    dataset.recipe_path.write_text(recipes.dump(named))
    # no media to read: the cards are written from the plan alone
    from caer_data.export import cards as package
    from caer_data.export.plan import plan

    facts = package.collect(dataset, plan(dataset, options()), options())
    from caer_data.export.cards.write import _template

    assert facts.name == "a|b <script>\n# c"
    shown = _template("README.md.j2").environment.filters["text"](facts.name)
    assert shown == "a\\|b \\<script\\> \\# c"


def test_equal_input_gives_equal_bytes(dataset, tmp_path):
    trees = []
    for name in ("one", "two"):
        export(dataset, tmp_path / name, options(layouts=("caer", "caer-s")), Reporter("quiet"))
        trees.append(tree(tmp_path / name))
    assert trees[0] == trees[1]
