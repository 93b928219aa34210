from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from caer_data.engine import recipe as recipes
from caer_data.engine.errors import CaerError


@pytest.mark.parametrize("name", recipes.shipped())
def test_shipped_recipes_are_valid_and_named_after_their_file(name):
    assert recipes.load(name).name == name


def test_the_papers_recipe_shows_every_field_with_its_default():
    assert recipes.load("caer") == recipes.Recipe()
    written = yaml.safe_load(recipes.shipped()["caer"])
    defaults = recipes.Recipe().model_dump()
    assert list(written) == list(defaults)
    for section, fields in defaults.items():
        if isinstance(fields, dict):
            assert set(written[section]) == set(fields), section


def test_every_field_is_commented():
    text = recipes.shipped()["caer"]
    for line in text.splitlines():
        if line.startswith("  ") and ":" in line.split("#")[0]:
            at = text.index(line)
            before = text[:at].splitlines()[-1]
            assert "#" in line or "#" in before or line.strip().startswith("extensions"), line


def test_the_recipe_as_used_reads_back(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(recipes.dump(recipes.load("quick")))
    assert recipes.load(path) == recipes.load("quick")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shots:\n  detectr: dfd\n", "x.yaml:2: shots.detectr: unknown field; did you mean"),
        ("shotz: {}\n", "x.yaml:1: shotz: unknown field; did you mean 'shots'"),
        ("seed: 1\nshots:\n  min_frames: '5'\n", "x.yaml:3: shots.min_frames: .*integer"),
        ("faces:\n  min_face: 2\n", "x.yaml:2: faces.min_face: .*less than 1"),
        ("shots:\n  detector: magic\n", "x.yaml:2: shots.detector: .*'adaptive'"),
        ("a: [\n", "x.yaml:2: "),
        ("seed: 1\nseed: 2\n", "x.yaml:2: the key 'seed' is given twice"),
        ("- 1\n", "x.yaml:1: expected"),
        ("export:\n  split: [70, -1, 31]\n", "x.yaml:1: export: split needs three shares"),
        ("export:\n  split: [70, 10, 30]\n", "x.yaml:1: export: .* add up to 100"),
        ("export:\n  layouts: [caer, zip]\n", "x.yaml:2: export.layouts: there is no layout 'zip'"),
        ("clips:\n  max_seconds: 0.6\n  min_frames: 90\n", "max_seconds is shorter"),
        ("export:\n  layouts: [caer, zip]\n", "x.yaml:2: export.layouts: there is no layout 'zip'"),
        ("clips:\n  max_seconds: 0.6\n  min_seconds: 0.7\n", "max_seconds is shorter"),
        ("clips: {min_seconds: 1.0, min_frames: 30}", "min_seconds or min_frames"),
        ("? [a, b]\n: 1\n", "x.yaml:1: the name of a field must be one word"),
        ("faces:\n  min_score: .nan\n", "x.yaml:2: faces.min_score: .*finite"),
        ("faces:\n  min_score: 0.3\n  weak_score: 0.5\n", "weak_score must not exceed min_score"),
        ("annotate: {raters_per_clip: 2}\nlabels: {min_agree: 3}\n", "gives a clip 2 raters"),
        ("a: !!python/object/apply:os.system ['true']\n", "x.yaml:1: "),
    ],
)
def test_mistakes_name_file_line_and_field(text, words):
    with pytest.raises(CaerError, match=words):
        recipes.parse(text, "x.yaml")


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n", "~", " \n\n"])
def test_an_emptied_recipe_is_an_error(text):
    with pytest.raises(CaerError, match=r"x.yaml:1: is empty; write '{}' for all defaults"):
        recipes.parse(text, "x.yaml")


def test_a_recipe_that_says_so_is_all_defaults():
    assert recipes.parse("{}", "x.yaml") == recipes.Recipe()


def test_a_recipe_is_taken_as_python_gives_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 7\n")
    assert recipes.load(path).seed == recipes.load(str(path)).seed == 7
    assert recipes.load({"export": {"split": [80, 10, 10]}}).export.split == (80, 10, 10)
    assert recipes.Export(layouts=["caer"], split=[1, 0, 0]).layouts == ("caer",)
    assert recipes.Faces(weights=path).weights == str(path)
    assert recipes.load(recipes.Recipe(seed=3)).seed == 3
    with pytest.raises(CaerError, match=r"recipe: seed: .*greater than or equal to 0"):
        recipes.load({"seed": -1})


@pytest.mark.parametrize(
    ("there", "text", "detector", "size"),
    [
        (True, "{}", "centerface", 416),
        (True, "faces: {detector: null}", "centerface", 416),
        (True, "faces: {detector: mmod}", "mmod", 1280),
        (False, "{}", "mmod", 1280),
        (False, "faces: {detector: null, detector_size: 800}", "mmod", 800),
        (False, "faces: {detector: centerface}", "centerface", 416),
    ],
)
def test_without_a_detector_the_best_embedded_one_is_taken(
    there, text, detector, size, monkeypatch
):
    monkeypatch.setattr(recipes, "file_of", lambda *_: Path("a file") if there else None)
    recipe = recipes.parse(text, "x.yaml")
    assert (recipe.faces.detector, recipe.faces.detector_size) == (detector, size)
    assert recipe.filter.min_presence == (0.4 if detector == "centerface" else 0.3)
    assert recipes.parse(recipes.dump(recipe), "again.yaml") == recipe


def test_an_unknown_recipe_names_the_known(tmp_path):
    with pytest.raises(CaerError, match="one of caer, caer-insightface, quick"):
        recipes.load("caar")


def test_a_binary_file_is_no_recipe(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaerError, match="cannot be read as a text file"):
        recipes.load(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("text", "size", "presence"),
    [
        ("faces: {detector: mmod}", 1280, 0.3),
        ("faces: {detector: scrfd, detector_size: null}", 640, 0.4),
        ("faces: {detector: scrfd, detector_size: 320}\nfilter: {min_presence: 0.7}", 320, 0.7),
        ("faces: {detector: centerface}\nfilter: {min_presence: null}", 416, 0.4),
    ],
    ids=["dlib's", "InsightFace's", "given", "null"],
)
def test_fields_left_out_suit_the_detector(text, size, presence):
    recipe = recipes.parse(text, "r.yaml")
    assert (recipe.faces.detector_size, recipe.filter.min_presence) == (size, presence)
    assert recipes.parse(recipes.dump(recipe), "dumped") == recipe
