from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest
from export_fixtures import options

from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.export import audit, manifest, pairs, repeated
from caer_data.export.release import export

QUIET = Reporter("quiet")


def made() -> pd.DataFrame:
    """Six clips, each of a show, person and shot of its own."""
    random = np.random.default_rng(0)
    start = np.arange(6) * 100
    return pd.DataFrame(
        {
            "clip_id": list("abcdef"),
            "split": ["train"] * 3 + ["test"] * 3,
            "shot_id": [f"s{i}" for i in range(6)],
            "video_id": [f"v{i}" for i in range(6)],
            "show": [f"show {i}" for i in range(6)],
            "person_id": [f"p{i}" for i in range(6)],
            "identity": [f"p{i}" for i in range(6)],
            "start_pts": start,
            "end_pts": start + 80,
            "start_s": start / 10,
            "end_s": start / 10 + 8,
            "perceptual_hash": [
                " ".join(f"{h:016x}" for h in random.integers(0, 2**63, 4)) for _ in range(6)
            ],
        }
    )


def listed(rows: pd.DataFrame, found: pd.DataFrame | None = None) -> list[tuple[str, str, str]]:
    frame = pairs.find(rows, found)
    return list(zip(frame["kind"], frame["clip_id"], frame["of_clip_id"], strict=True))


def test_a_clean_split_has_no_pairs():
    assert listed(made()) == []


def test_clips_of_one_shot_and_clips_that_share_time():
    rows = made()
    rows.loc[[0, 4], "shot_id"] = "same"
    rows.loc[[1, 5], "video_id"] = "same"
    rows.loc[5, ["start_pts", "end_pts"]] = [150, 190]
    assert listed(rows) == [("same shot", "a", "e"), ("overlapping time", "b", "f")]


def test_near_pictures_are_all_listed_with_their_times():
    rows = made()
    hashes = [text.split() for text in rows["perceptual_hash"]]
    hashes[3][2] = f"{int(hashes[0][1], 16) ^ 0b101:016x}"
    hashes[4][0] = hashes[0][1]
    rows["perceptual_hash"] = [" ".join(four) for four in hashes]
    found = pairs.find(rows)
    assert list(found["of_clip_id"]) == ["d", "e"]
    first = found.iloc[0]
    assert (first["start_s"], first["of_start_s"]) == (3.0, 35.0)  # 3/8 of a, 5/8 of d
    assert list(found["score"]) == [1 - 2 / 64, 1.0]
    assert found["leaks"].all()


def test_what_repeats_is_listed_inside_a_split_too():
    found = pd.DataFrame(
        {"clip_id": ["b", "e"], "of_clip_id": ["a", "a"], "start_s": 11.0, "of_start_s": 1.0,
         "seconds": 2.5, "score": 0.9, "mirrored": False}
    )  # fmt: skip
    frame = pairs.find(made(), found)
    assert list(frame["leaks"]) == [False, True]
    assert frame.iloc[1][["start_s", "end_s", "of_start_s", "of_end_s"]].tolist() == [
        1,
        3.5,
        11,
        13.5,
    ]
    verdict = next(v for v in audit.audit(made(), found) if v.check == "repeated footage")
    assert (verdict.verdict, verdict.count) == ("finding", 2)
    inside = audit.audit(made(), found.head(1))
    assert next(v for v in inside if v.check == "repeated footage").verdict == "note"
    unknown = next(v for v in audit.audit(made()) if v.check == "repeated footage")
    assert unknown.verdict == "not measured"


def test_a_person_under_two_names_is_a_finding_and_a_pair():
    rows = made()
    rows.loc[4, "identity"] = "p0"
    assert listed(rows) == [("same person in two shows", "a", "e")]
    found = {v.check: v for v in audit.audit(rows)}
    assert found["same person in two shows"].verdict == "finding"
    assert "p0 and p4" in found["same person in two shows"].text
    unknown = {v.check: v.verdict for v in audit.audit(rows.drop(columns="identity"))}
    assert unknown["same person in two shows"] == "not measured"


def test_what_everything_shares_does_not_give_the_square_of_pairs():
    count = 3000
    rows = pd.concat([made().head(1)] * count, ignore_index=True)
    rows = rows.assign(
        clip_id=[f"c{i}" for i in range(count)],
        split=["train", "test"] * (count // 2),
        video_id=[f"v{i}" for i in range(count)],
    )
    kinds = pairs.find(rows)["kind"].value_counts()
    assert kinds["same shot"] <= count
    assert kinds["near-duplicate pictures"] <= 4 * count


def test_the_file_is_read_by_others_and_is_no_formula(tmp_path):
    rows = made()
    rows.loc[[0, 4], "shot_id"] = "same"
    rows.loc[0, "clip_id"] = "=1+1"
    pairs.write(pairs.find(rows), tmp_path / pairs.NAME)
    with (tmp_path / pairs.NAME).open(encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["clip_id"], row["of_clip_id"], row["kind"]) == ("./=1+1", "e", "same shot")
    assert list(row) == pairs.PAIRS.names


def _plant(dataset):
    """The second show's first shot repeats that of the first."""
    shots = dataset.shots.set_index("shot_id")
    later, first = "show-1-e0-s00", "show-0-e0-s00"
    row = {"mirrored": False, "score": 0.97, "motion": 0.9}
    for of, shot_id in (("", later), ("of_", first)):
        shot = shots.loc[shot_id]
        length = min(shots.loc[later, "end_s"], shots.loc[first, "end_s"])
        row |= {f"{of}shot_id": shot_id, f"{of}video_id": shot["video_id"],
                f"{of}start_s": 0.0, f"{of}end_s": length,
                f"{of}start_pts": 0, f"{of}end_pts": int(shot["end_pts"])}  # fmt: skip
    dataset.write(tables.REPEATS, tables.frame(tables.REPEATS, [row]))


def _splits(released):
    rows = released.manifest.drop_duplicates("clip_id").set_index("clip_id")["split"]
    return rows["show-1-e0-s00-00-c00"], rows["show-0-e0-s00-00-c00"]


def test_by_scene_keeps_what_repeats_together_and_the_release_lists_it(dataset, tmp_path):
    _plant(dataset)
    by_scene = [
        export(dataset, tmp_path / f"r{seed}", options(by="scene", seed=seed, media=False), QUIET)
        for seed in range(4)
    ]
    assert all(len(set(_splits(release))) == 1 for release in by_scene)
    folder = by_scene[0].folder
    assert len(manifest.read_repeated(folder)) == 1
    rows = pd.read_csv(folder / pairs.NAME)
    assert rows[rows["kind"] == "repeated footage"]["leaks"].tolist() == [False]
    by_show = export(dataset, tmp_path / "shows", options(by="show", media=False), QUIET)
    assert len(set(_splits(by_show))) == 2
    assert any(v.check == "repeated footage" for v in by_show.findings)
    both = export(dataset, tmp_path / "both", options(by="video+scene", media=False,
                  split=(80.0, 0.0, 20.0)), QUIET)  # fmt: skip
    assert len(set(_splits(both))) == 1


def test_drop_repeats_keeps_the_one_that_repeats_none(dataset, tmp_path):
    _plant(dataset)
    made = export(dataset, tmp_path / "r", options(drop_repeats=True, media=False), QUIET)
    names = set(made.manifest["clip_id"])
    assert "show-0-e0-s00-00-c00" in names
    assert "show-1-e0-s00-00-c00" not in names
    assert made.plan.dropped == 1
    verdict = next(v for v in made.verdicts["release"] if v.check == "repeated footage")
    assert verdict.verdict == "ok"


@pytest.mark.parametrize("asked", [{"by": "scene"}, {"drop_repeats": True}])
def test_a_dataset_that_never_looked_says_so(dataset, tmp_path, asked):
    with pytest.raises(CaerError, match="has no table of repeats"):
        export(dataset, tmp_path / "r", options(media=False, **asked), QUIET)


def test_of_several_that_repeat_each_other_one_stays():
    clips = pd.DataFrame({"clip_id": list("abc"), "video_id": list("xyz"), "start_s": 0.0})
    found = pd.DataFrame({"clip_id": ["b", "c"], "of_clip_id": ["a", "b"]})
    assert list(repeated.without(clips, found)["clip_id"]) == ["a", "c"]
