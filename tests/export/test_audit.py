from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from caer_data.engine.emotions import EMOTIONS
from caer_data.export.audit import audit, box_sizes


def clean(count: int = 210) -> pd.DataFrame:
    """A manifest in which each split has its own show; nothing leaks."""
    random = np.random.default_rng(0)
    split = np.array(["train"] * (count // 3) + ["validation"] * (count // 3))
    split = np.append(split, ["test"] * (count - len(split)))
    start = np.arange(count) * 100
    label = np.arange(count) % 7
    return pd.DataFrame(
        {
            "clip_id": [f"c{i}" for i in range(count)],
            "layout": "caer",
            "split": split,
            "emotion": [EMOTIONS[i] for i in label],
            "shot_id": [f"shot{i}" for i in range(count)],
            "video_id": [f"video {s}" for s in split],
            "show": [f"show {s}" for s in split],
            "person_id": [f"person {s}" for s in split],
            "start_pts": start,
            "end_pts": start + 90,
            "start_s": start / 25,
            "end_s": (start + 90) / 25,
            "face_height": random.uniform(0.2, 0.6, count),
            "perceptual_hash": [f"{h:016x}" for h in random.integers(0, 2**63, count)],
        }
    )


def by_check(manifest: pd.DataFrame) -> dict[str, tuple[str, int]]:
    return {line.check: (line.verdict, line.count) for line in audit(manifest)}


def test_nothing_is_found_in_a_grouped_split():
    found = by_check(clean())
    assert [c for c, (verdict, _) in found.items() if verdict == "finding"] == []
    assert len(found) == 13


def _same_clip(m):
    return pd.concat([m, m[m.split == "train"].head(3).assign(split="test")])


def _near(m):
    near = f"{int(m.perceptual_hash[0], 16) ^ 0b10011:016x}"
    return m.assign(perceptual_hash=[*m.perceptual_hash[:-1], near])


def _set(column, source, targets):
    def plant(m):
        m = m.copy()
        for target in targets:
            m.loc[target, column] = m.loc[source, column]
        return m

    return plant


def _overlap(m):
    m = m.copy()
    m.loc[209, ["video_id", "start_pts", "end_pts"]] = [m.video_id[0], 5, 80]
    return m


def _sizes(m):
    m = m.copy()
    m.loc[m.emotion == "fear", "face_height"] += 0.5
    return m


def _split_sizes(m):
    m = pd.concat([m.assign(clip_id=m.clip_id + f"/{i}", shot_id=m.shot_id + f"/{i}",
                            start_pts=m.start_pts + i * 10**6, end_pts=m.end_pts + i * 10**6)
                   for i in range(4)], ignore_index=True)  # fmt: skip
    m["face_height"] = np.random.default_rng(1).uniform(0.2, 0.6, len(m))
    m.loc[(m.emotion == "sad") & (m.split == "test"), "face_height"] += 0.4
    return m


def _no_fear(m):
    return m[(m.emotion != "fear") | (m.split != "validation")]


PLANTED = [
    pytest.param(_same_clip, "same clip", 3, id="same-clip"),
    pytest.param(_overlap, "overlapping time", 2, id="overlap"),
    pytest.param(_set("shot_id", 0, [100, 200]), "same shot", 1, id="shot"),
    pytest.param(_set("video_id", 0, [200]), "same episode", 1, id="episode"),
    pytest.param(_set("show", 0, [100]), "same show", 1, id="show"),
    pytest.param(_set("person_id", 0, [100]), "same person", 1, id="person"),
    pytest.param(_near, "near-duplicate pictures", 2, id="near-duplicate"),
    pytest.param(_sizes, "box size by class", 1, id="box-size-tells-class"),
    pytest.param(_split_sizes, "box size by class", 1, id="box-size-tells-class-in-one-split"),
    pytest.param(_no_fear, "class balance", 1, id="class-missing-in-split"),
]


@pytest.mark.parametrize(("plant", "check", "count"), PLANTED)
def test_planted_leaks_are_found_and_counted(plant, check, count):
    assert by_check(plant(clean()))[check] == ("finding", count)


def test_overlap_reaches_over_a_clip_in_between():
    manifest = clean()
    video = manifest.video_id[0]
    manifest.loc[0, "end_pts"] = 10_000  # a long clip; short ones of its split lie inside
    manifest.loc[209, ["video_id", "start_pts", "end_pts"]] = [video, 9_000, 9_090]
    assert by_check(manifest)["overlapping time"] == ("finding", 2)


def test_short_clips_are_counted():
    manifest = clean()
    manifest.loc[:4, "end_s"] = manifest.loc[:4, "start_s"] + 1.5
    assert by_check(manifest)["under 16 frames at 10 fps"] == ("note", 5)


def test_frames_of_a_clip_count_once():
    manifest = pd.concat([clean(), clean()])
    assert by_check(manifest) == by_check(clean())


def test_flat_pictures_are_not_compared():
    found = by_check(clean().assign(perceptual_hash=None))
    assert found["near-duplicate pictures"] == ("not measured", 0)


def test_what_nobody_looked_at_is_not_called_ok():
    found = by_check(clean().assign(person_id=None))
    assert found["same person"] == ("not measured", 0)
    assert found["same person in two shows"] == ("not measured", 0)
    one_show = by_check(clean().assign(show="show"))
    assert one_show["same person in two shows"] == ("ok", 0)


@pytest.mark.parametrize(
    ("column", "check"),
    [
        ("person_id", "same person"),
        ("show", "same show"),
        ("end_pts", "overlapping time"),
        ("perceptual_hash", "near-duplicate pictures"),
        ("face_height", "box size by class"),
        ("end_s", "under 16 frames at 10 fps"),
        ("identity", "same person in two shows"),
    ],
)
def test_what_is_well_but_was_not_checked_for_all_clips_is_not_called_ok(column, check):
    manifest = clean().assign(identity=lambda m: m.person_id)
    assert by_check(manifest)[check] == ("ok", 0)
    manifest.loc[:2, column] = None
    (line,) = [line for line in audit(manifest) if line.check == check]
    assert (line.verdict, line.count) == ("note", 3)
    assert "3 clips have no " in line.text and line.text.endswith(" and were not checked")


def test_a_class_of_few_clips_is_not_said_to_have_ordinary_boxes():
    manifest = clean()
    manifest = manifest[(manifest.emotion != "fear") | (manifest.index < 70)]
    (line,) = [line for line in audit(manifest) if line.check == "box size by class"]
    assert line.verdict == "note" and line.text.endswith("fewer than 20 clips of fear")


def test_medians_of_box_sizes_by_class_and_split():
    sizes = box_sizes(_sizes(clean()))
    assert list(sizes.index) == list(EMOTIONS)
    assert sizes.loc["fear", "train"] > sizes.loc["anger", "train"] + 0.3
