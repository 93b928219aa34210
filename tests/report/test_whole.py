"""One report of all that is known: the way, the faces, emotions, splits, results."""

from __future__ import annotations

import json
import re
from pathlib import Path

import built_dataset
import pandas as pd
import pytest
from click.testing import CliRunner
from in_browser import opened, serious
from keyed import label_by_name, votes
from predicted import predictions

from caer_data.benchmark.results import saved_predictions
from caer_data.cli.report import command
from caer_data.engine import tables
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.identity import Anchor
from caer_data.report import attended, composition, known, leaking, sheets
from caer_data.report.dataset import write_report
from caer_data.report.flow import picture
from caer_data.report.pictures import Pictures
from caer_data.report.sankey import Box, Flow, sankey

CLIP = "a-show.e1.s0001.c1"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    made = built_dataset.make(tmp_path_factory.mktemp("whole") / "dataset", shots=48)
    label = {
        "clip_id": CLIP, "emotion": "sad", "label": EMOTIONS.index("sad"), "status": "kept",
        "raters": 3, "agreement": 3, "confidence": 0.9, "made_up": True,
        "votes": votes(("x", "sad", 0.9), ("y", "sad", 0.9), ("z", "sad", 0.9)),
    }  # fmt: skip
    label_by_name(made, [label])
    rating = {
        "clip_id": CLIP, "clip_key": made.clips["clip_key"][0], "rater": "x", "emotion": "sad",
        "confidence": 0.9, "status": "accepted", "too_fast": False, "edited": False,
        "source": "made-up", "source_id": "1",
    }  # fmt: skip
    made.write(tables.RATINGS, tables.frame(tables.RATINGS, [rating]))
    return made


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "results"
    (folder / "one").mkdir(parents=True)
    runs = {"runs": [{"classes": list(EMOTIONS)}]}
    (folder / "one" / "results.json").write_text(json.dumps(runs))
    saved_predictions.write_predictions(
        {"CAER-Net": [predictions(seed=0), predictions(seed=1)]}, folder / "one"
    )
    return folder


def heights(svg: str, kind: str) -> list[float]:
    return [float(h) for h in re.findall(rf'<rect class="{kind}"[^>]* height="([\d.]+)"', svg)]


def test_bands_and_boxes_are_as_wide_as_what_flows() -> None:
    columns = [[Box("a", "a", 10)], [Box("b", "b", 6), Box("c", "c", 4, lost=True)]]
    svg = sankey(columns, [Flow("a", "b", 6), Flow("a", "c", 4)], "from a to b <and> c")
    whole, part = heights(svg, "left")
    (lost,) = heights(svg, "lost")
    assert part / whole == pytest.approx(0.6, abs=0.01)
    assert lost / whole == pytest.approx(0.4, abs=0.01)
    assert len(re.findall('class="flow"', svg)) == 2
    assert "&lt;and&gt;" in svg


def test_a_box_of_nothing_is_left_out_and_nothing_at_all_is_drawn() -> None:
    assert "<rect" not in sankey([[Box("a", "a", 0)]], [Flow("a", "b", 1)], "nothing")
    assert "<rect" not in sankey([], [], "nothing")


def test_the_way_says_every_reason_and_split_with_its_length(dataset) -> None:
    key = dataset.clips["clip_key"][0]
    said = re.search('aria-label="([^"]+)"', picture(dataset, {key: "test"}))
    assert said is not None
    for words in ("kept 32 s", "no face 8 s", "labelled 2 s", "not rated yet 30 s", "test 2 s"):
        assert words in said[1]


def test_the_clearest_faces_come_first_and_more_opens_without_a_server(dataset) -> None:
    html = write_report(dataset).read_text(encoding="utf-8")
    section = html.split('id="kept-clips"')[1].split("</section>")[0]
    shown, more = section.split("<details>")[:2]
    assert shown.count("<li>") == sheets.FIRST
    assert more.split("</details>")[0].count("<li>") == sheets.MORE
    assert f"{sheets.MORE} more of 12 of p1" in more
    assert "sad" in section
    assert "no label" in section


def test_the_papers_table_for_this_dataset(dataset) -> None:
    section = composition.emotions(dataset)
    assert section is not None
    row = re.search(r"<tr><td>sad</td>(.*?)</tr>", section.html)
    assert row is not None
    assert re.findall(r">([^<]+)</td>", row[1])[:3] == ["1", "100.0 %", "50"]
    assert sum(clips for clips, _ in composition.PAPER.values()) == 13_201
    assert "13,201" in section.html


def test_without_labels_there_is_no_table_of_emotions(tmp_path) -> None:
    assert composition.emotions(built_dataset.make(tmp_path / "dataset", shots=2)) is None


def test_results_come_with_intervals(dataset, results) -> None:
    html = write_report(dataset, None, results).read_text(encoding="utf-8")
    section = html.split('id="benchmark"')[1].split("</section>")[0]
    assert "CAER-Net" in section
    assert re.search(r"\d\d\.\d \(\d\d\.\d", section) or re.search(r"\d\d\.\d \[\d\d\.\d", section)


def test_pairs_that_leak_are_shown_side_by_side(dataset, tmp_path) -> None:
    clips = dataset.clips[dataset.clips["status"] == "kept"].head(3)
    manifest = pd.DataFrame({"clip_id": ["m1", "m2", "m3"], "clip_key": list(clips["clip_key"])})
    rows = [("near-duplicate pictures", True, "m1", "train", "m2", "test", 0.97),
            ("near-duplicate pictures", True, "m1", "train", "gone", "test", 0.99),
            ("same shot", False, "m2", "train", "m3", "train", None)]  # fmt: skip
    names = ["kind", "leaks", "clip_id", "split", "of_clip_id", "of_split", "score"]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "audit_pairs.csv", index=False)
    html = leaking.shown(dataset, tmp_path, manifest, Pictures(dataset))
    assert "near-duplicate pictures: 2 pairs" in html and "same shot" not in html
    first, second = html.split("<li>")[1:]
    assert (first.count("<img"), second.count("<img")) == (1, 2)  # most alike first
    assert leaking.shown(dataset, tmp_path / "none", manifest, Pictures(dataset)) == ""
    (tmp_path / "audit_pairs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CaerError, match="cannot be read"):
        leaking.shown(dataset, tmp_path, manifest, Pictures(dataset))


def test_attention_lies_over_the_surest_answers(dataset) -> None:
    clips = dataset.clips[dataset.clips["status"] == "kept"].head(2)

    class Told:
        answers = pd.DataFrame({"clip_key": list(clips["clip_key"]), "clip_id": ["m1", "m2"],
                                "predicted": ["sad", "fear"], "label": ["sad", "happy"],
                                "p_label": [0.9, 0.1]})  # fmt: skip

        def attention(self, key: str) -> dict:
            return {"row": "net", "map": [[0.7, 0.1], [0.1, 0.1]], "box": [0.1, 0.0, 0.9, 1.0]}

    html = attended.shown(dataset, Told(), Pictures(dataset))
    assert html.count("<svg") == 2 and "sad, right" in html and "fear, wrong: happy" in html
    assert re.findall('x="0.1000" y="0.0000"[^>]*fill-opacity="([^"]+)"', html) == ["0.42"] * 2


def test_what_is_not_there_is_left_out(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", shots=2, pictures=False)
    html = write_report(dataset, tmp_path / "none", tmp_path / "none").read_text(encoding="utf-8")
    assert 'id="benchmark"' not in html
    assert 'id="splits"' not in html


def test_release_and_results_stay_in_the_report_of_later_verbs(results, tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", shots=2, pictures=False)
    write_report(dataset, None, results)
    assert 'id="benchmark"' in write_report(dataset).read_text(encoding="utf-8")
    assert not known.is_known(dataset, tmp_path)
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "manifest.parquet").touch()
    assert known.known(dataset, tmp_path / "release", None) == (tmp_path / "release", results)
    assert known.is_known(dataset, tmp_path / "release")
    known.forget(dataset)
    assert known.known(dataset, None, None) == (None, None)


def test_decisions_are_counted(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", shots=2, pictures=False)
    assert "decisions-by-hand" not in write_report(dataset).read_text(encoding="utf-8")
    store = Decisions(dataset.folder)
    about = (Anchor("0" * 64, 0, 50, 50, None),)
    first, _ = (store.append(Decision("drop", who, about, why="x")) for who in ("ann", "bob"))
    store.append(Decision("undo", "ann", value=json.dumps(first.key)))
    html = write_report(dataset).read_text(encoding="utf-8")
    section = html.split('id="decisions-by-hand"')[1].split("</section>")[0]
    row = re.search(r"<tr><td>drop</td>(.*?)</tr>", section)
    assert row is not None and re.findall(r">([^<]+)</td>", row[1]) == ["1", "1", "1"]
    assert "By 2 people" in section


def test_the_audit_is_the_exports_own(dataset, tmp_path) -> None:
    one = {"check": "repeated footage", "verdict": "ok", "count": 0, "text": "by the export"}
    told = {"verdicts": {"release": [one], "other": [one]}}
    (tmp_path / "audit.json").write_text(json.dumps(told))
    checks = [verdict.check for verdict in composition._audited(tmp_path, pd.DataFrame())]
    assert checks == ["repeated footage", "repeated footage (other)"]
    (tmp_path / "audit.json").write_text("{}")
    with pytest.raises(CaerError, match="cannot be read"):
        composition._audited(tmp_path, pd.DataFrame())


def test_by_the_command_line(dataset, tmp_path) -> None:
    arguments = [str(dataset.folder), "--release", str(tmp_path), "--results", str(tmp_path)]
    run = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    assert run.exit_code == 0
    told = json.loads(run.output.splitlines()[-1])
    assert told["bytes"] == dataset.report_path.stat().st_size


@pytest.fixture(scope="module")
def address(dataset, results) -> str:
    return write_report(dataset, None, results).resolve().as_uri()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_in_a_browser(browser, address, complaints, scheme, width) -> None:
    # axe has to be put into the page, which the page's own policy forbids
    page = opened(browser, address, width, complaints, color_scheme=scheme, bypass_csp=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    found = serious(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()
    assert complaints == []
    assert found == []


@pytest.mark.browser
def test_more_opens_and_sections_are_reached_by_keyboard(browser, address, complaints) -> None:
    page = opened(browser, address, 1280, complaints)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('nav') !== null")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#overview"
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            break
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open")
    page.context.close()
    assert complaints == []


@pytest.mark.browser
def test_the_page_prints(browser, address, complaints) -> None:
    page = opened(browser, address, 1280, complaints, color_scheme="dark")
    assert len(page.pdf(format="A4")) > 20_000
    page.emulate_media(media="print")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    page.context.close()
    assert complaints == []


def test_a_dataset_as_large_as_the_papers_stays_below_ten_megabytes(tmp_path) -> None:
    made = built_dataset.make(tmp_path / "dataset", shots=13_201)
    clips = made.clips
    made.write(tables.CLIPS, pd.DataFrame(clips.assign(show=_shows(clips))))
    assert write_report(made).stat().st_size < 10e6


def _shows(clips: pd.DataFrame) -> list[str]:
    return [f"Show {number % 79:02d}" for number in range(len(clips))]
