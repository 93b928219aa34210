from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pytest

from caer_data.engine.spill import Spill
from caer_data.export import results
from caer_data.export.results import Results


def result(clip: str, size: int, **pictures: int) -> dict[str, Any]:
    """The result of a clip, with a copy of the clip and some pictures of given frames."""
    copied = {f"CAER/{clip}.mp4": {"sha256": f"copy of {clip}", "bytes": size}}
    chosen = {
        f"CAER-S/{name}.png": {
            "frame": frame, "x1": 1, "y1": 2, "x2": 3, "y2": 4,
            "framehash": f"frame {frame}", "perceptual_hash": None,
        }
        for name, frame in pictures.items()
    }  # fmt: skip
    return {
        "clip_id": clip, "sha256": f"hash of {clip}", "bytes": size, "framehash": f"all of {clip}",
        "perceptual_hash": "0f" if size > 1 else None, "files": copied | chosen, "rebuilt": "exact",
    }  # fmt: skip


@pytest.mark.parametrize("part", [1, 2, 100], ids=lambda n: f"parts-of-{n}")
def test_columns_hold_what_the_results_said(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_PART", part)
    given = [result("b", 1, b1=4, b2=9), result("a", 2), result("c", 3, c1=0)]
    found = Results(given)
    clips = pd.Series(["a", "c", "nobody", "b", "a"])
    assert found.of_clips(clips)["sha256"].to_pylist() == [
        "hash of a", "hash of c", None, "hash of b", "hash of a"
    ]  # fmt: skip
    assert found.of_clips(clips)["perceptual_hash"].to_pylist() == ["0f", "0f", None, None, "0f"]
    named = found.of_clips(clips.astype("category"))
    assert named["framehash"].equals(found.of_clips(clips)["framehash"])
    paths = pd.Series(["CAER-S/c1.png", "CAER/a.mp4", "no.png", "CAER-S/b2.png"])
    files = found.of_files(paths, pd.Series(["c", "a", "a", "b"]))
    assert files["frame"].to_pylist() == [0, None, None, 9]
    assert files["framehash"].to_pylist() == ["frame 0", None, None, "frame 9"]
    assert files["bytes"].to_pylist() == [None, 2, None, None]
    assert files["y2"].to_pylist() == [4, None, None, 4]


@pytest.mark.parametrize("part", [1, 100], ids=lambda n: f"parts-of-{n}")
def test_the_last_result_of_a_clip_counts(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip is made again if a file of an interrupted export is gone."""
    monkeypatch.setattr(results, "_PART", part)
    found = Results([result("a", 1, p=3), result("b", 5), result("a", 7, p=4)])
    assert found.of_clips(pd.Series(["a", "b"]))["bytes"].to_pylist() == [7, 5]
    files = found.of_files(pd.Series(["CAER-S/p.png"]), pd.Series(["a"]))
    assert files["frame"].to_pylist() == [4]


def test_nothing_is_known_without_results() -> None:
    assert Results().of_clips(pd.Series(["a"]))["bytes"].to_pylist() == [None]
    nothing = pd.Series([], dtype="str")
    assert len(Results().of_files(nothing, nothing)["frame"]) == 0
    assert len(Results([result("a", 1)]).of_files(nothing, nothing)["frame"]) == 0


@pytest.mark.parametrize("order", ["in-order", "mixed"])
@pytest.mark.parametrize("part", [1, 2, 3, 100], ids=lambda n: f"parts-of-{n}")
def test_some_clips_are_found_in_results_that_are_put_away(
    part: int, order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_PART", part)
    clips = [f"c{number}" for number in range(7)]
    given = [result(clip, at, **{f"p{clip}": at}) for at, clip in enumerate(clips)]
    found = Results(given if order == "in-order" else given[::2] + given[1::2], Spill(tmp_path))
    for start in range(8):
        for stop in range(start, 8):
            named = pd.Series(pd.Categorical(clips, ["b", *clips, "d"])[start:stop])
            expected = list(range(start, stop))
            assert found.of_clips(named)["bytes"].to_pylist() == expected
            paths = pd.Series([f"CAER-S/pc{at}.png" for at in expected], dtype="str")
            assert found.of_files(paths, named)["frame"].to_pylist() == expected


def test_results_in_order_are_read_for_the_clips_that_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(results, "_PART", 1)
    read: list[str] = []

    class Noted:
        def table(self, rows: pa.Table) -> Callable[[], pa.Table]:
            return lambda: (read.append(str(rows[0][0])), rows)[1]

    found = Results([result(clip, 1) for clip in "abcdef"], cast(Spill, Noted()))
    found.of_clips(pd.Series(["c", "d", "c"]))
    assert read == ["c", "d"]
