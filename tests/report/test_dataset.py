"""The report shows what it says, stays small, and is inert whatever the names."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser

import built_dataset
import pytest

from caer_data import Dataset
from caer_data.engine import tables
from caer_data.engine.recipe import Faces
from caer_data.report.dataset import DROPPED_SHOWN, KEPT_SHOWN, write_report
from caer_data.report.pictures import short_name


class Page(HTMLParser):
    """Text, elements, and the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self._section = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._section = str(dict(attrs)["id"])

    def handle_data(self, data: str) -> None:
        self.sections[self._section] = self.sections.get(self._section, "") + data

    def count(self, tag: str, css_class: str) -> int:
        return sum(t == tag and css_class in str(a.get("class")).split() for t, a in self.tags)


def report(dataset: Dataset) -> tuple[str, Page]:
    html = write_report(dataset).read_text(encoding="utf-8")
    return html, Page(html)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "dataset"
    return built_dataset.make(folder, shots=24, show=built_dataset.HOSTILE)


@pytest.fixture(scope="module")
def hostile_report(hostile) -> tuple[str, Page]:
    return report(hostile)


def test_sections_hold_what_happened(hostile_report) -> None:
    _, page = hostile_report
    text = page.sections
    assert "8 clips, 16 s" in " ".join(text["funnel"].split())
    assert "ambiguous: dominance 1.349 < 1.35" in text["dropped-clips"]
    assert "cannot be opened" in text["videos"]
    assert "1 file that failed" in text["videos"]
    assert "filter.min_sharpness in the recipe" in text["words"]
    assert f"detector: {Faces().detector}" in text["recipe"]
    assert "p1" in text["people"]


def test_hostile_names_are_inert(hostile_report) -> None:
    html, page = hostile_report
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    loads = [a[k] for _, a in page.tags for k in ("src", "href", "xlink:href") if k in a]
    assert all(str(load).startswith(("data:image/", "#")) for load in loads)
    assert "alert(1)" in html


def test_no_place_on_this_machine_is_told(hostile, hostile_report) -> None:
    html, _ = hostile_report
    assert "/home/somebody" not in html
    assert str(hostile.folder) not in html


def test_links_lead_somewhere_and_names_are_unique(hostile_report) -> None:
    _, page = hostile_report
    names = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(names) == len(set(names))
    links = {str(a["href"]) for tag, a in page.tags if tag == "a"}
    assert links
    assert links <= {f"#{name}" for name in names}


def test_boxes_lie_where_the_faces_are(hostile_report) -> None:
    html, page = hostile_report
    assert page.count("span", "box") == 20  # every shown shot with a face has one
    assert page.count("span", "target") == 20
    assert "left:25.0%;top:25.0%;width:25.0%;height:50.0%" in html


def test_equal_datasets_give_equal_pages(hostile, hostile_report) -> None:
    assert report(hostile)[0] == hostile_report[0]


def test_a_large_dataset_gives_a_page_of_some_megabytes(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", shots=1200)
    html, page = report(dataset)
    assert len(html) < 10e6
    assert f"{KEPT_SHOWN} of 400 clips" in page.sections["kept-clips"]
    assert f"{DROPPED_SHOWN} of 100 clips" in page.sections["dropped-clips"]
    shown = re.findall(r"a-show\.e1\.s(\d+)\.c1</div>", html)[:KEPT_SHOWN]
    assert int(shown[0]) < 20
    assert int(shown[-1]) > 1180  # spread over the whole, not the first ones


def test_without_the_work_folder_blanks_are_shown(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", pictures=False)
    _, page = report(dataset)
    assert page.count("div", "blank") == 16  # 12 whole pictures, 4 faces
    assert "no picture kept" in page.sections["kept-clips"]


def test_a_dataset_of_failures(tmp_path) -> None:
    dataset = built_dataset.make_empty(tmp_path / "dataset")
    _, page = report(dataset)
    assert "No clip was kept" in page.sections["kept-clips"]
    assert "No face was followed" in page.sections["people"]
    assert "the file is empty" in page.sections["videos"]


def test_ratings_get_their_section(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset")
    clip_id, key = dataset.clips.loc[0, ["clip_id", "clip_key"]]
    rating = {
        "clip_id": clip_id, "clip_key": key, "rater": "r", "emotion": "happy", "confidence": 0.9,
        "status": "accepted", "too_fast": False, "edited": False, "source": "made-up",
        "source_id": "1",
    }  # fmt: skip
    label = {
        "clip_id": clip_id, "clip_key": key, "status": "dropped", "reason": "incomplete",
        "raters": 1, "agreement": 1, "confidence": 0.9, "made_up": True,
        "votes": [{"rater": "r", "emotion": "happy", "confidence": 0.9}],
    }  # fmt: skip
    assert "agreement" not in report(dataset)[1].sections
    dataset.write(tables.RATINGS, tables.frame(tables.RATINGS, [rating]))
    dataset.write(tables.LABELS, tables.frame(tables.LABELS, [label]))
    assert "made up" in report(dataset)[1].sections["agreement"].lower()


def test_without_the_work_folder_the_page_is_written_without_pictures(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset")
    shutil.rmtree(dataset.work_folder)
    assert "no picture kept" in write_report(dataset).read_text()


@pytest.mark.parametrize(
    ("person_id", "name"),
    [("show.p0001", "p1"), ("show.p0120", "p120"), (None, "?"), ("odd", "odd")],
)
def test_short_name(person_id, name) -> None:
    assert short_name(person_id) == name
