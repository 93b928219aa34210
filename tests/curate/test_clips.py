from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numbered_video as numbered
import pytest

from caer_data.curate import clips
from caer_data.curate.clips import Clip, Group, cut, grouped, records, unfinished
from caer_data.engine.artifacts import Store
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Clips
from caer_data.media.clip_command import Source
from caer_data.media.frame_rate import Span
from caer_data.media.probe import probe
from caer_data.media.unchanged import stamp_of

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
    assert whole.read_bytes() == content


def test_a_clip_that_another_process_is_about_to_record_survives_a_failure(
    source, tmp_path, monkeypatch
):
    (group,) = grouped([clip(source, 0, 35), clip(source, 35, 70)])
    work, paths = tmp_path / "work", [tmp_path / each.path for each in group.clips]
    real, seen = clips.cut_clips, []

    def while_another_cuts(*given):
        seen.append(real(*given))
        raise CaerError("ffmpeg was killed")

    monkeypatch.setattr(clips, "cut_clips", while_another_cuts)
    assert len(cut(tmp_path, work, [group], SETTINGS, lambda *_: None)) == 2
    assert all(path.is_file() for path in paths)
    monkeypatch.setattr(clips, "cut_clips", lambda *given: seen[0])  # the other one goes on
    assert cut(tmp_path, work, [group], SETTINGS, lambda *_: None) == {}
    assert unfinished(tmp_path, work, [group], SETTINGS, 1) == []


def test_a_clip_that_is_taken_away_before_it_is_recorded_is_recorded(source, tmp_path, monkeypatch):
    (group,) = grouped([clip(source, 0, 35)])
    path, real = tmp_path / group.clips[0].path, clips.cut_clips

    def handed_over_meanwhile(*given):
        results = real(*given)
        path.rename(tmp_path / "in the store")
        return results

    monkeypatch.setattr(clips, "cut_clips", handed_over_meanwhile)
    assert cut(tmp_path, tmp_path / "work", [group], SETTINGS, lambda *_: None) == {}
    (tmp_path / "in the store").rename(path)
    assert unfinished(tmp_path, tmp_path / "work", [group], SETTINGS, 1) == []


@pytest.mark.parametrize("when", ["before", "after reading the record"])
def test_what_another_process_could_cut_stays_recorded(source, tmp_path, monkeypatch, when):
    (group,) = grouped([clip(source, 0, 35), clip(source, 35, 70)])
    work, real, record = tmp_path / "work", clips.cut_clips, Store.record

    def another() -> None:
        if clips.cut_clips is not real:
            monkeypatch.setattr(clips, "cut_clips", real)
            assert cut(tmp_path, work, [group], SETTINGS, lambda *_: None) == {}

    def torn(source, spans, *given):
        results = real(source, spans, *given)
        last = list(spans)[-1]
        last.unlink()
        if when == "before":
            another()
        return results | {last: CaerError("the disk was full")}

    def record_late(*given, **how):
        another()
        return record(*given, **how)

    monkeypatch.setattr(clips, "cut_clips", torn)
    monkeypatch.setattr(Store, "record", record_late)
    assert cut(tmp_path, work, [group], SETTINGS, lambda *_: None) == {}
    assert list(records(tmp_path, work, group, SETTINGS)) == ["show.a.0", "show.a.35"]


def test_a_record_holds_the_bytes_that_are_there(source, tmp_path):
    (group,) = grouped([clip(source, 0, 35)])
    work, path = tmp_path / "work", tmp_path / group.clips[0].path
    cut(tmp_path, work, [group], SETTINGS, lambda *_: None)
    (known,) = records(tmp_path, work, group, SETTINGS).values()
    other = known | {"bytes": 4, "sha256": hashlib.sha256(b"else").hexdigest()}
    clips._record(tmp_path, work, group, SETTINGS, {"show.a.0": other})  # lost against the file
    assert len(records(tmp_path, work, group, SETTINGS)) == 1
    path.write_bytes(b"else")
    clips._record(tmp_path, work, group, SETTINGS, {"show.a.0": other})
    assert records(tmp_path, work, group, SETTINGS) == {"show.a.0": other}


def test_nothing_appears_of_a_source_that_was_replaced_while_it_was_cut(source, tmp_path):
    (group,) = grouped([clip(source, 0, 35), clip(source, 35, 70)])
    path = tmp_path / "a.mp4"
    shutil.copyfile(source.path, path)
    stamped = [
        replace(each, source=replace(source, path=path), stamp=stamp_of(path))
        for each in group.clips
    ]

    def replaced_meanwhile(*_):  # first called after the check with which cutting begins
        os.utime(path, ns=(1, 1))

    problems = cut(
        tmp_path, tmp_path / "work", [Group(tuple(stamped))], SETTINGS, replaced_meanwhile
    )
    assert "changed while it was being read" in problems["show.a.0"]
    assert not list(tmp_path.glob("clips/*/*.mp4"))


def test_what_appeared_before_a_source_was_replaced_is_recorded(source, tmp_path, monkeypatch):
    (group,) = grouped([clip(source, 0, 35), clip(source, 35, 70)])
    first, second = (tmp_path / each.path for each in group.clips)

    def replaced_meanwhile(*_):
        if first.exists():
            raise CaerError("a.mp4 changed while it was being read")

    monkeypatch.setattr(clips, "check_unchanged", replaced_meanwhile)
    problems = cut(tmp_path, tmp_path / "work", [group], SETTINGS, lambda *_: None)
    assert list(problems) == ["show.a.35"]
    assert (first.exists(), second.exists()) == (True, False)
    assert list(records(tmp_path, tmp_path / "work", group, SETTINGS)) == ["show.a.0"]


def test_what_changes_no_byte_changes_no_key(source):
    (group,) = grouped([clip(source, 0, 35)])
    key = group.key(SETTINGS)
    assert group.key(SETTINGS.model_copy(update={"min_frames": 5})) == key
    assert group.key(SETTINGS.model_copy(update={"crf": 31})) != key


def test_clips_of_another_video_stream_are_cut_anew(source):
    def key(films, stream):
        info = replace(source.info, films=films, stream_index=stream)
        (group,) = grouped([clip(replace(source, info=info), 0, 35)])
        return group.key(SETTINGS)

    assert key(2, 0) != key(2, 1)
    (group,) = grouped([clip(source, 0, 35)])
    assert key(1, 0) == group.key(SETTINGS)
