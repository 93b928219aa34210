import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caer_data.engine import recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.labels import agreement, agreement_measures
from caer_data.labels import decide as labels
from caer_data.labels.agreement_text import agreement_text
from caer_data.report import pages
from caer_data.report import raters as report


def rating(clip: int, rater: int, emotion: str, source: str) -> dict[str, Any]:
    return {
        "clip_id": f"c{clip:02d}",
        "clip_key": f"c{clip:02d}",
        "rater": f"rater{rater}<b>@example.org",
        "emotion": emotion,
        "confidence": 0.75,
        "lead_time_s": 4.0 + rater,
        "status": "accepted",
        "too_fast": False,
        "edited": False,
        "source": source,
        "source_id": f"{clip}-{rater}",
    }


def make(folder: Path, clips: int, source: str = "csv") -> Dataset:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe.dump(recipe.Recipe()), encoding="utf-8")
    dataset = Dataset(folder)
    fixed: dict[str, Any] = dict.fromkeys(("shot_id", "video_id", "show", "episode"), "x")
    fixed |= dict.fromkeys(("start_frame", "end_frame", "start_pts", "end_pts", "n_people"), 1)
    fixed |= {"start_s": 0.0, "end_s": 2.0, "status": "kept"}
    rows = [{"clip_id": f"c{i:02d}", "clip_key": f"c{i:02d}", **fixed} for i in range(40)]
    dataset.write(tables.CLIPS, tables.frame(tables.CLIPS, rows))
    rng = np.random.default_rng(0)
    answers = [
        rating(c, r, str(rng.choice(EMOTIONS[:4])), source) for c in range(clips) for r in range(3)
    ]
    labels.update(dataset, tables.frame(tables.RATINGS, answers), snapshot=False)
    return dataset


def text_of(dataset: Dataset) -> str:
    measured = agreement.measure(dataset.ratings, dataset.labels, dataset.clips)
    return agreement_text(measured, width=120)


def test_no_ratings_no_section(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe.dump(recipe.Recipe()), encoding="utf-8")
    assert report.section(Dataset(tmp_path)) is None


def test_the_section_has_every_measure_and_escapes_names(tmp_path: Path) -> None:
    dataset = make(tmp_path / "dataset", 40)
    made = report.section(dataset)
    assert made is not None
    assert made.anchor == "agreement"
    page = pages.page("x", [made])
    for words in ("Krippendorff", "Fleiss", "Cohen", "another rater says", "lead time"):
        assert words.lower() in page.lower()
    assert page.count("<svg") == 5
    assert "rater0&lt;b&gt;@example.org" in page
    assert "<b>" not in page
    assert "made up" not in page.lower()
    assert report.section(dataset) == made


def test_made_up_ratings_are_said_to_be_made_up(tmp_path: Path) -> None:
    dataset = make(tmp_path / "dataset", 40, source="made-up")
    made = report.section(dataset)
    assert made is not None
    assert made.title == "Raters and agreement (made up)"
    assert "<strong>Made up: 120 of 120 answers" in made.html
    assert text_of(dataset).startswith("Made up: 120 of 120 answers")


def test_partial_data_makes_a_section_too(tmp_path: Path) -> None:
    dataset = make(tmp_path / "dataset", 2)
    only = dataset.ratings.iloc[:1]
    for ratings in (only, only.assign(status="refused", reason="cancelled")):
        dataset.write(tables.RATINGS, ratings)
        dataset.write(tables.LABELS, labels.decide(ratings, recipe.Labels(), 3))
        assert report.section(dataset) is not None
        assert text_of(dataset)


def test_the_text_shows_the_same_figures(tmp_path: Path) -> None:
    dataset = make(tmp_path / "dataset", 40)
    measured = agreement.measure(dataset.ratings, dataset.labels, dataset.clips)
    text = text_of(dataset)
    assert f"alpha {measured.alpha:.3f}" in text
    assert f"kappa {measured.fleiss_kappa:.3f}" in text
    assert re.search(r"kept by build +40 +100 %", text)
    assert re.search(rf"raters agree on an emotion +{measured.funnel['clips'].iloc[-2]} ", text)
    assert all(f"rater{i}<b>@example.org" in text for i in range(3))
    assert max(len(line) for line in text.splitlines()) <= 120


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    dataset = make(tmp_path / "dataset", 2)
    dataset.path_of(tables.LABELS).write_bytes(b"PAR1 no")
    with pytest.raises(CaerError, match=r"labels\.parquet"):
        report.section(dataset)


def test_checks_and_habits_are_shown_with_their_figures(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", 30)
    section = report.section(dataset)
    assert section is not None
    assert "Times and streaks" in section.html
    assert "gold clips and repeats" not in section.html  # there were none
    row = {"rater": "r<b>@x.org", "pseudonym": "p", "passed": True}
    counts = {"training": (10, 9), "gold": (20, 8), "repeat": (0, 0)}
    for kind, (n, equal) in counts.items():
        row |= {f"{kind}_answers": n, f"{kind}_equal": equal}
        if n:
            low, high = agreement_measures.wilson(equal, n)
            row |= {f"{kind}_share": equal / n, f"{kind}_low": low, f"{kind}_high": high}
    dataset.write(tables.RATERS, tables.frame(tables.RATERS, [row]))
    html = report.section(dataset).html
    assert "9 of 10, 90 % (60 to 98)" in html
    assert "8 of 20, 40 % (22 to 61)" in html
    assert "answered 8 of 20 gold clips correctly (40%, 22% to 61%), below 60%; this may" in html
    assert "<b>@x" not in html
