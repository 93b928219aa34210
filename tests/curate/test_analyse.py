from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fields as film
import numbered_video as numbered
import numpy as np
import pytest
from odd_media import ffmpeg

from caer_data.curate import analyse, analysis_results
from caer_data.curate.job import Job
from caer_data.curate.pyannote_files import Imported
from caer_data.engine import recipe as recipes
from caer_data.engine.artifacts import key_of
from caer_data.engine.errors import CaerError
from caer_data.engine.files import scratch_folder
from caer_data.media import attempts
from caer_data.media.decode import THREADS
from caer_data.media.fields import Fields
from caer_data.media.geometry import Crop
from caer_data.media.interlacing import Measured
from caer_data.media.packets import Damage
from caer_data.media.probe import probe
from caer_data.media.programmes import rest_without
from caer_data.media.unchanged import stamp_of


def job_of(path: Path, work: Path, **given: Any) -> Job:
    values: dict[str, Any] = {
        "path": path,
        "video_id": "show.a",
        "sha256": "sha",
        "info": probe(path),
        "recipe": recipes.Recipe(),
        "work": work,
        "threads": 1,
        "imported": Imported(),
    }
    return Job(**values | given)


def decode(job: Job, progress: Any) -> None:
    with scratch_folder(job.work, "samples") as samples:
        analyse._decode(job, samples, progress)


def test_free_memory_is_returned_after_each_pass_and_while_speakers_are_judged(
    tmp_path, monkeypatch
):
    job = SimpleNamespace(
        done=False, path=tmp_path, subject=None, speakers_key="key", wants_speakers=True,
        shots=None, prints=None, faces=None, sound=None, speakers=None,
        store=SimpleNamespace(make=lambda name, subject, key, fill: fill(tmp_path)),
    )  # fmt: skip
    steps: list[str] = []
    monkeypatch.setattr(analyse, "reuse_pictures", lambda: None)
    monkeypatch.setattr(analyse, "Heap", lambda: SimpleNamespace(tidy=lambda: steps.append("tidy")))
    monkeypatch.setattr(analyse, "held", lambda path, tell: nullcontext())
    monkeypatch.setattr(analyse, "_look", lambda job, progress: steps.append("look"))
    monkeypatch.setattr(analyse, "_listen", lambda job, progress: steps.append("listen"))
    monkeypatch.setattr(analyse.speaker_pass, "fill", lambda folder, job, tell: tell())
    analyse.analyse(job, lambda stage, seconds: steps.append(stage))
    assert steps == ["look", "tidy", "listen", "tidy", "faces", "tidy", "tidy"]


def test_face_models_count_by_what_they_hold_not_where_they_lie(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 10)

    def key(weights: str, *hashes: str) -> str:
        text = f"faces: {{detector: scrfd, weights: {weights}}}"
        recipe = recipes.parse(text, "x.yaml")
        return job_of(path, tmp_path, recipe=recipe, weights=hashes).faces_key

    assert key("here", "one") == key("elsewhere", "one")
    assert key("here", "one") != key("here", "other")


def test_fingerprints_from_before_fields_were_measured_are_made_anew(tmp_path):
    job = job_of(numbered.write(tmp_path / "a.mp4", 10), tmp_path)
    assert job.prints_key != key_of("prints", 1, None, job.sha256, job.info.audio_index)


@pytest.mark.parametrize("other", [{"crop": Crop(left=8)}, {"stream_index": 5}])
def test_results_of_other_pictures_of_a_file_are_made_anew(tmp_path, other):
    job = job_of(numbered.write(tmp_path / "a.mp4", 10), tmp_path)
    job = replace(job, info=replace(job.info, films=2))
    changed = replace(job, info=replace(job.info, **other))
    for key in ("shots_key", "prints_key", "faces_key"):
        assert getattr(changed, key) != getattr(job, key)
    assert changed.sound_key == job.sound_key


def test_a_damaged_video_is_decoded_once_more_with_one_thread(media_data, tmp_path, monkeypatch):
    damaged = media_data / "odd" / "derived" / "corrupt_middle.mp4"
    whole = numbered.write(tmp_path / "a.mp4", 30)
    used: list[int] = []
    frames = analyse.frames

    def counted(path: Path, info: Any, threads: int, **options: Any) -> Any:
        used.append(threads)
        return frames(path, info, threads, **options)

    monkeypatch.setattr(analyse, "frames", counted)
    for path, threads in ((whole, [THREADS]), (damaged, [THREADS, 1])):
        used.clear()
        job = job_of(path, tmp_path / path.stem)
        decode(job, lambda *_: None)
        assert used == threads
        assert bool(analysis_results.measured(job)["damage"]) == (len(threads) == 2)


@pytest.mark.parametrize(
    "name",
    [
        "shots_gt/anim_sintel_trailer_30s.mp4",
        "shots_gt/composite_open_44s.mp4",
        "shots_gt/concert_hamilton_10s.mp4",
        "shots_gt/film_tears_of_steel_10s.mp4",
        "shots_gt/street_bikes_10s.mp4",
        "shots_gt/webcam_face_noface_vfr_6s.mov",
        "odd/h264_bframes_photoprism.avi",
        "odd/rotated180_vfr.mp4",
        "odd/derived/corrupt_middle.mp4",
        "odd/derived/interlaced_tff.mpg",
        "odd/derived/timestamp_gap_60s.ts",
        "odd/derived/vfr_extreme.mkv",
    ],
)
def test_results_do_not_depend_on_the_number_of_threads(media_data, tmp_path, name):
    def results(threads: int) -> dict[str, bytes]:
        folder = tmp_path / str(threads)
        job = job_of(media_data / name, folder, threads=threads)
        with scratch_folder(folder, "samples") as samples:
            once = analyse._decode(job, samples, lambda *_: None)
            spooled = {path.name: path.read_bytes() for path in samples.iterdir()}
        artifact = analysis_results.shots_artifact(job)
        members = {n: artifact.read(n) for n in artifact.names() if n != "seconds.json"}
        prints = {str(n): array.tobytes() for n, array in enumerate(once._prints)}
        return spooled | members | prints

    alone = results(1)
    assert len(alone["samples.bin"]) > 1000
    assert len(alone) == 10
    for threads in (2, 16):
        assert results(threads) == alone


def noted_decodes(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, Fields]]]:
    """Note number and fields of the frames of each decode to come, of which there may be five."""
    shown: list[list[tuple[int, Fields]]] = []
    sample = analyse.frames

    def noted(path: Path, info: Any, threads: int, **options: Any) -> Any:
        assert len(shown) < 5
        shown.append([])
        for frame in sample(path, info, threads, **options):
            shown[-1].append((frame.index, frame.info.fields))
            yield frame

    class Reader:
        damage, interlaced, reshaped = Damage(), 0, False

        def __init__(self, *given: Any, **options: Any) -> None:
            self._frames = noted(*given, **options)

        def __iter__(self) -> Any:
            return self._frames

    monkeypatch.setattr(analyse, "frames", Reader)
    return shown


@pytest.mark.parametrize(
    ("laid", "fields", "soon", "decodes"),
    [
        (film.TOP, Fields.TOP, 40, [40, 124]),
        (film.TOP, Fields.TOP, 1500, [124, 124]),
        (film.WHOLE, Fields.FLAGGED, 40, [124]),
    ],
    ids=["soon", "in-the-end", "as-flagged"],
)
def test_what_pictures_say_of_fields_holds_for_the_whole_video(
    tmp_path, monkeypatch, laid, fields, soon, decodes
):
    path, told = film.write(tmp_path / "a.mkv", laid), []
    monkeypatch.setattr(attempts, "_SOON", soon)
    shown = noted_decodes(monkeypatch)
    job = job_of(path, tmp_path / "work")
    decode(job, lambda stage, seconds: told.append(seconds))
    values = analysis_results.measured(job)
    assert [run[-1][0] for run in shown] == decodes
    assert {f for _, f in shown[-1]} == {fields}
    assert values["fields"] == fields
    assert values["scan_type"] == "progressive"
    assert values["scan_measured"] == ("interlaced" if fields is Fields.TOP else "progressive")
    assert values["order_measured"] == ("tt" if fields is Fields.TOP else None)
    assert analysis_results.shown_as(job).fields is fields
    assert sum(told) == pytest.approx(3.96)  # every 100 frames, each once


@pytest.mark.parametrize(
    ("parts", "flagged", "soon", "first"),
    [
        ([(film.TOP, 2), (film.WHOLE, 11)], False, 45, Fields.TOP),
        ([(film.WHOLE, 5), (film.TOP, 5)], True, 115, Fields.WHOLE),
    ],
    ids=["fields-then-whole", "whole-then-fields"],
)
def test_a_start_unlike_the_rest_of_the_video_costs_one_decode(
    tmp_path, monkeypatch, parts, flagged, soon, first
):
    films = [film.write(tmp_path / f"{n}.mpg", laid, s=s) for n, (laid, s) in enumerate(parts)]
    path = film.joined(tmp_path / "a.mkv", films, flagged=flagged)
    monkeypatch.setattr(attempts, "_SOON", soon)
    shown = noted_decodes(monkeypatch)
    job = job_of(path, tmp_path / "work")
    decode(job, lambda *_: None)
    assert [run[0][1] for run in shown] == [Fields.FLAGGED, first, Fields.FLAGGED]
    assert shown[0][-1][0] == soon
    assert len(shown[1]) == len(shown[2]) == analysis_results.measured(job)["frames"]
    assert analysis_results.shown_as(job).fields is Fields.FLAGGED


def test_the_number_of_decodes_is_limited_and_the_last_one_counts(tmp_path, monkeypatch):
    wavering = iter([Fields.TOP, Fields.WHOLE, Fields.BOTTOM, Fields.TOP, Fields.WHOLE])

    class Wavering:
        def push(self, frame: Any) -> None:
            pass

        def measured(self) -> Measured:
            return Measured("mixed", 0.5, "tt", next(wavering))

    monkeypatch.setattr(attempts, "Interlacing", Wavering)
    shown = noted_decodes(monkeypatch)
    job = job_of(numbered.write(tmp_path / "a.mp4", 30), tmp_path / "work")
    decode(job, lambda *_: None)
    assert [run[0][1] for run in shown] == [
        Fields.FLAGGED, Fields.TOP, Fields.WHOLE, Fields.BOTTOM]  # fmt: skip
    assert analysis_results.shown_as(job).fields is Fields.BOTTOM


@pytest.mark.parametrize(
    ("step", "last", "fps"),
    [
        pytest.param(40, 40, "25", id="as-the-header-says"),
        pytest.param(41, 41, "1000/41", id="header-wrong-by-two-per-cent"),
        pytest.param(40, 900, "25", id="a-last-frame-that-lasts-long"),
    ],
)
def test_the_rate_is_that_of_the_timestamps(tmp_path, step, last, fps):
    info = probe(
        numbered.write(tmp_path / "a.mkv", 30, Fraction(25), time_base=Fraction(1, 1000),
                       pts=[40 * n for n in range(30)])
    )  # fmt: skip
    assert (info.fps, info.time_base) == (25, Fraction(1, 1000))
    pts = [step * n for n in range(30)]
    assert analyse._measured(pts, pts[-1] + last, info)["fps"] == fps


def test_what_was_retimed_is_kept_with_both_times(tmp_path):
    parts = [numbered.write(tmp_path / f"{n}.ts", n).read_bytes() for n in (60, 40)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    job = job_of(path, tmp_path / "work")
    decode(job, lambda *_: None)
    values = analysis_results.measured(job)
    assert (values["frames"], values["retimed"], values["hurt"]) == (100, 40, False)
    frame, stamp, pts = analysis_results.retimed(job).T
    assert frame.tolist() == list(range(60, 100))
    assert (np.diff(stamp) == 3600).all()
    assert len(set((pts - stamp).tolist())) == 1
    times = analysis_results.timestamps(job)
    assert (np.diff(times) == 3600).all()
    assert pts.tolist() == times[60:].tolist()


def test_a_recording_that_breaks_off_says_so(tmp_path):
    path = numbered.write(tmp_path / "a.mkv", 100, gop=10)
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 4])
    job = job_of(path, tmp_path / "work")
    decode(job, lambda *_: None)
    values = analysis_results.measured(job)
    assert values["damage"].startswith("the file is truncated")
    assert values["hurt"]
    assert values["damaged_share"] == pytest.approx(1 - values["frames"] / 100, abs=0.011)
    assert 0.2 < values["damaged_share"] < 0.4


@pytest.mark.parametrize("index", ["", "+global_sidx"], ids=["fragment", "film"])
def test_of_a_fragmented_film_that_breaks_off_all_that_it_states_is_missing(tmp_path, index):
    plain = numbered.write(tmp_path / "plain.mp4", 100, gop=20)
    path = tmp_path / "a.mp4"
    flags = f"frag_keyframe+empty_moov+default_base_moof{index}"
    ffmpeg("-i", plain, "-c", "copy", "-movflags", flags, path)
    data = path.read_bytes()
    third, fourth = (m.start() - 4 for m in list(re.finditer(b"moof", data))[2:4])
    path.write_bytes(data[: third + (fourth - third) // 3])
    job = job_of(path, tmp_path / "work")
    decode(job, lambda *_: None)
    values = analysis_results.measured(job)
    stated = 100 if index else 60
    assert f"of {stated} frames lost" in values["damage"]
    assert values["damaged_share"] >= 1 - values["frames"] / stated > 0.05


@pytest.mark.parametrize("name", ["a.mp4", "a.flv", "a.wmv", "a.avi"])
def test_the_share_of_an_appended_film_is_said_unless_it_is_read(tmp_path, name):
    path = tmp_path / name
    codec = {"avi": "mpeg4", "wmv": "wmv2"}.get(name[2:], "libx264")
    ffmpeg("-i", numbered.write(tmp_path / "plain.mkv", 50), "-c:v", codec, path)
    path.write_bytes(path.read_bytes() * 2)
    job = job_of(path, tmp_path / "work")
    decode(job, lambda *_: None)
    values = analysis_results.measured(job)
    if name == "a.avi":
        assert (values["frames"], values["damage"], values["hurt"]) == (100, "", False)
        return
    assert values["frames"] == 50
    assert values["damaged_share"] == pytest.approx(0.5, abs=0.02)
    assert "another film is appended" in values["damage"] and "lost" in values["damage"]


def test_a_pause_is_named_and_no_damage(tmp_path):
    times = [n + (50 if n >= 60 else 0) for n in range(100)]
    job = job_of(numbered.write(tmp_path / "a.mp4", 100, pts=times), tmp_path / "work")
    decode(job, lambda *_: None)
    values = analysis_results.measured(job)
    assert values["damage"] == "1 pause in the pictures, 2.0 s in all"
    assert not values["hurt"]


@pytest.mark.parametrize(
    ("codec", "numbers"),
    [("mpeg2video", []), ("libx264", ["-streamid", "0:600", "-streamid", "1:601"])],
    ids=["codec-changes", "goes-on-in-another-stream"],
)
def test_a_broadcast_of_which_a_part_cannot_be_read_is_damaged(tmp_path, codec, numbers):
    first = numbered.write(tmp_path / "1.ts", 100, codec=codec, sound=True)
    plain = numbered.write(tmp_path / "plain.ts", 100, sound=True)
    second = tmp_path / "2.ts"
    at_four = ["-muxdelay", 0, "-muxpreload", 0, "-output_ts_offset", 4, *numbers]
    ffmpeg("-i", plain, "-c", "copy", *at_four, second)
    path = tmp_path / "a.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    job = job_of(path, tmp_path / "work")
    decode(job, lambda *_: None)
    values = analysis_results.measured(job)
    assert values["hurt"]
    assert values["damaged_share"] == pytest.approx(1 - values["frames"] / 200, abs=0.05)


@pytest.mark.parametrize("seconds", [2, 20])
def test_sound_that_is_stored_behind_the_last_picture_is_no_lost_picture(tmp_path, seconds):
    path = tmp_path / "a.ts"
    picture, sound = ["testsrc=s=640x360:r=25:d=2", f"sine=d={seconds}"]
    ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-c:v", "libx264",
           "-c:a", "aac", "-b:a", "192k", path)  # fmt: skip
    job = job_of(path, tmp_path / "work")
    pid = 256  # ffmpeg's first
    assert rest_without(path, pid) > 0.02
    decode(job, lambda *_: None)
    values = analysis_results.measured(job)
    assert values["frames"] == 50
    assert not values["hurt"]


def test_a_file_that_changes_while_it_is_decoded_is_noticed(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 30)
    job = job_of(path, tmp_path / "work", stamp=stamp_of(path))
    path.touch()
    with pytest.raises(CaerError, match="changed while it was being read"):
        decode(job, lambda *_: None)
