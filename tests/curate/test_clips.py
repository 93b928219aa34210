from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numbered_video as numbered
import pytest

from caer_data.curate import clips
from caer_data.curate.clips import Clip, Group, cut, grouped, records, unfinished
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Clips
from caer_data.media.clip_command import Source
from caer_data.media.frame_rate import Span
from caer_data.media.probe import probe

SETTINGS = Clips(preset="ultrafast", crf=30)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Source:
    path = numbered.write(tmp_path_factory.mktemp("raw") / "a.mp4", 100)
    return Source(path, probe(path), 0, Fraction(25))


def clip(source: Source, start: int, end: int) -> Clip:
    tick = round(1 / (source.fps * source.info.time_base))
    span = Span(start, end, start * tick, end * tick, source.fps)
    return Clip(f"show.a.{start}", "Show", source, span, "sha")


def places(groups: list[Group]) -> list[list[int]]:
    return [[c.span.start_frame for c in group.clips] for group in groups]


def test_neighbours_are_cut_together_and_gaps_divide(source):
    clips = [clip(source, a, b) for a, b in ((0, 50), (50, 90), (115, 150), (176, 210))]
    assert places(grouped(clips)) == [[0, 50, 115], [176]]


def test_no_group_straddles_two_videos(source):
    other = replace(source, path=Path("other.mp4"))
    clips = [clip(source, 0, 40), clip(other, 40, 80), clip(other, 80, 120)]
    assert places(grouped(clips)) == [[0], [40, 80]]


def test_a_group_is_not_larger_than_its_encoders_may_be(source):
    clips = [clip(source, n * 10, n * 10 + 10) for n in range(15)]
    assert [len(group.clips) for group in grouped(clips)] == [6, 6, 3]


def test_a_clip_less_changes_the_groups_around_it_alone(source):
    clips = [clip(source, n * 50, n * 50 + 50) for n in range(30)]
    before = {g.key(SETTINGS) for g in grouped(clips)}
    after = {g.key(SETTINGS) for g in grouped(clips[:7] + clips[8:])}
    assert len(before - after) == 1


def test_a_group_is_finished_when_all_its_files_are_there(source, tmp_path):
    (group,) = grouped([clip(source, 0, 35), clip(source, 35, 70)])
    dataset, work = tmp_path / "dataset", tmp_path / "work"
    assert unfinished(dataset, work, [group], SETTINGS, 2) == [group]
    seen = []
    assert cut(dataset, work, [group], SETTINGS, lambda *what: seen.append(what)) == {}
    assert set(seen) == {("clips", 0), ("clips", 2)}  # a sign of life, and what is done
    assert unfinished(dataset, work, [group], SETTINGS, 2) == []
    first = dataset / group.clips[0].path
    whole = first.read_bytes()
    first.write_bytes(whole[:200] + bytes(500) + whole[700:])  # as long as before
    assert unfinished(dataset, work, [group], SETTINGS, 2) == [group]
    assert list(records(dataset, work, group, SETTINGS)) == ["show.a.35"]
    assert cut(dataset, work, [group], SETTINGS, lambda *what: None) == {}
    assert first.read_bytes() == whole


def test_a_clip_that_cannot_be_cut_is_named_and_the_others_are_kept(source, tmp_path):
    (group,) = grouped([clip(source, 30, 65), clip(source, 70, 120)])
    problems = cut(tmp_path, tmp_path / "work", [group], SETTINGS, lambda *_: None)
    assert list(problems) == ["show.a.70"]
    assert "30 frames instead of 50" in problems["show.a.70"]
    assert list(records(tmp_path, tmp_path / "work", group, SETTINGS)) == ["show.a.30"]
    assert unfinished(tmp_path, tmp_path / "work", [group], SETTINGS, 1) == [group]


def test_a_clip_that_another_process_has_cut_survives_a_failure(source, tmp_path, monkeypatch):
    (group,) = grouped([clip(source, 0, 35), clip(source, 35, 70)])
    work = tmp_path / "work"
    cut(tmp_path, work, [group], SETTINGS, lambda *_: None)
    torn, whole = (tmp_path / each.path for each in group.clips)
    torn.write_bytes(b"torn")
    content = whole.read_bytes()

    def killed(*_):
        raise CaerError("ffmpeg was killed")

    monkeypatch.setattr(clips, "cut_clips", killed)
    problems = cut(tmp_path, work, [group], SETTINGS, lambda *_: None)
    assert problems == {"show.a.0": "ffmpeg was killed"}
    assert not torn.exists()
    assert whole.read_bytes() == content


def test_what_changes_no_byte_changes_no_key(source):
    (group,) = grouped([clip(source, 0, 35)])
    key = group.key(SETTINGS)
    assert group.key(SETTINGS.model_copy(update={"min_frames": 5})) == key
    assert group.key(SETTINGS.model_copy(update={"crf": 31})) != key
