from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numbered_video as numbered
import numpy as np
import pytest
from odd_media import ffmpeg

from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Clips
from caer_data.media import cut
from caer_data.media.clip_command import Source, clip_size
from caer_data.media.cut import cut_clip, cut_clips
from caer_data.media.decode import frames
from caer_data.media.frame_rate import Span, span_of
from caer_data.media.probe import VideoInfo, probe

SETTINGS = Clips(preset="ultrafast", crf=12)


def source_of(path: Path) -> tuple[Source, Times]:
    info = probe(path)
    pts = []
    end = 0
    reader = frames(path, info)
    for frame in reader:
        pts.append(frame.pts)
        end = frame.pts + frame.duration
    handed_over = reader.damage.retimed > 0 or reader.reshaped
    source = Source(path, info, pts[0], info.fps, handed_over, reader.interlaced > 0)
    return source, Times([*pts, end], info)


@dataclass(frozen=True)
class Times:
    """Timestamps of a video's frames and of its end."""

    pts: list[int]
    info: VideoInfo


def span(times: Times, start: int, end: int) -> Span:
    pts, info = np.array(times.pts), times.info
    return span_of(pts, start, end, int(pts[end]), info.time_base, info.fps)


def numbers(path: Path) -> list[int]:
    return [numbered.number_of(f.picture()) for f in frames(path, probe(path))]


@pytest.mark.parametrize(
    ("name", "fps"),
    [
        ("a.mp4", Fraction(24000, 1001)),
        ("a.mp4", Fraction(25)),
        ("a.mp4", Fraction(30000, 1001)),
        ("a.mp4", Fraction(50)),
        ("a.mkv", Fraction(24000, 1001)),
        ("a.mkv", Fraction(30000, 1001)),
        ("a.ts", Fraction(25)),
        ("a.mov", Fraction(24)),
        ("a.avi", Fraction(25)),
    ],
    ids=str,
)
def test_a_clip_holds_exactly_its_frames(tmp_path, name, fps):
    path = numbered.write(
        tmp_path / name, 330, fps, codec="mpeg4" if name.endswith("avi") else "libx264"
    )
    source, pts = source_of(path)
    rng = np.random.default_rng(1)
    starts = [0, 1, 329 - 40, *rng.integers(0, 290, 4)]
    for start in map(int, starts):
        media = cut_clip(source, span(pts, start, start + 40), tmp_path / "clip.mp4", SETTINGS)
        assert media.frames == 40
        assert media.fps == fps
        assert numbers(tmp_path / "clip.mp4") == list(range(start, start + 40))


def test_sound_starts_with_the_picture_and_is_as_long(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 250, sound=True)
    source, pts = source_of(path)
    media = cut_clip(source, span(pts, 90, 160), tmp_path / "clip.mp4", SETTINGS)
    assert media.has_audio
    with av.open(str(tmp_path / "clip.mp4")) as container:
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    clicks = np.flatnonzero(np.abs(sound) > 0.2)
    # the clip starts at 3.6 s, so the click of second 4 comes 0.4 s in
    assert clicks[0] / 48000 == pytest.approx(0.4, abs=0.003)
    assert len(sound) / 48000 == pytest.approx(2.8, abs=0.03)


def test_sound_is_right_from_the_first_sample(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 250, sound=True)
    source, pts = source_of(path)
    # the clip starts with a click and on a key frame: coded sound builds on what went before, which
    # decoding from there must not lose
    cut_clip(source, span(pts, 100, 140), tmp_path / "clip.mp4", SETTINGS)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    first, second = np.abs(sound[:240]).mean(), np.abs(sound[48000:48240]).mean()
    assert first == pytest.approx(second, rel=0.1)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mov", "a.avi"])
def test_clips_cut_together_are_those_cut_alone(tmp_path, name):
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    path = numbered.write(tmp_path / name, 330, codec=codec, sound=True)
    source, pts = source_of(path)
    places = [(60, 95), (95, 130), (141, 175), (200, 240)]
    together = {tmp_path / f"{a}.mp4": span(pts, a, b) for a, b in places}
    results = cut_clips(source, together, SETTINGS)
    assert list(results) == list(together)
    for target, wanted in together.items():
        assert results[target].frames == wanted.frames
        assert results[target].has_audio
        assert numbers(target) == list(range(wanted.start_frame, wanted.end_frame))
        cut_clip(source, wanted, tmp_path / "alone.mp4", SETTINGS)
        assert coded(target, "video") == coded(tmp_path / "alone.mp4", "video")
        assert len(coded(target, "audio")) == len(coded(tmp_path / "alone.mp4", "audio"))
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def coded(path: Path, kind: str) -> list[bytes]:
    """The packets of a stream."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def test_one_bad_clip_does_not_cost_its_neighbours(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 60)
    source, pts = source_of(path)
    first, tick = pts.pts[30], pts.pts[1] - pts.pts[0]
    beyond = Span(30, 90, first, first + 60 * tick, source.fps)
    good, bad = tmp_path / "out" / "good.mp4", tmp_path / "out" / "bad.mp4"
    results = cut_clips(source, {good: span(pts, 0, 30), bad: beyond}, SETTINGS)
    assert results[good].frames == 30
    assert "30 frames instead of 60" in str(results[bad])
    assert list((tmp_path / "out").iterdir()) == [good]


def test_video_without_a_container_is_cut_at_its_own_frames(tmp_path):
    """After a seek, ffmpeg counts its times from wherever it lands."""
    plain, path = numbered.write(tmp_path / "plain.mp4", 200), tmp_path / "a.m2v"
    ffmpeg("-i", plain, "-c:v", "mpeg2video", "-q:v", 2, "-g", 12, "-bf", 2, path)
    source, times = source_of(path)
    clip = tmp_path / "clip.mp4"
    cut_clip(source, span(times, 120, 150), clip, SETTINGS)
    assert numbers(clip) == list(range(120, 150))


def test_where_timestamps_do_not_lead_the_frames_themselves_are_handed_over(tmp_path, monkeypatch):
    path = numbered.write(tmp_path / "a.mp4", 250, sound=True)
    source, pts = source_of(path)
    monkeypatch.setattr(cut, "by_time", lambda *_: ["false"])
    spans = {tmp_path / f"{a}.mp4": span(pts, a, a + 60) for a in (10, 90)}
    results = cut_clips(source, spans, SETTINGS)
    for target, wanted in spans.items():
        assert results[target].frames == 60
        assert numbers(target) == list(range(wanted.start_frame, wanted.end_frame))
    # the clip starts at 3.6 s, so the click of second 4 comes 0.4 s in
    assert clicks(tmp_path / "90.mp4")[0] == pytest.approx(0.4, abs=0.003)


@pytest.mark.parametrize("ends", ["kill -KILL $$", "kill -TERM $$", "exit 255"])
@pytest.mark.parametrize("way", ["by_time", "by_frames"])
def test_if_ffmpeg_is_killed_no_other_way_is_tried(tmp_path, monkeypatch, ends, way):
    path = numbered.write(tmp_path / "a.mp4", 60)
    source, pts = source_of(path)
    monkeypatch.setattr(cut, "by_time", lambda *_: ["false"])
    monkeypatch.setattr(cut, "by_frames", lambda *_: pytest.fail("another way was tried"))
    monkeypatch.setattr(cut, way, lambda *_: ["sh", "-c", f"cat > /dev/null; {ends}"])
    targets = [tmp_path / "out" / name for name in ("a.mp4", "b.mp4")]
    spans = dict(zip(targets, (span(pts, 0, 20), span(pts, 20, 40)), strict=True))
    with pytest.raises(cut.FfmpegKilledError, match="killed from outside"):
        cut_clips(source, spans, SETTINGS)
    assert list((tmp_path / "out").iterdir()) == []


def clicks(path: Path) -> np.ndarray:
    """Seconds at which the sound is loud."""
    with av.open(str(path)) as container:
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    return np.flatnonzero(np.abs(sound) > 0.2) / 48000


def test_timestamps_that_restart(tmp_path):
    # the second part's own timestamps reach those to which the first one's are continued
    parts = [numbered.write(tmp_path / f"{n}.ts", n, sound=True).read_bytes() for n in (300, 700)]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    source, times = source_of(path)
    assert (len(times.pts), source.handed_over) == (1001, True)
    target = tmp_path / "clip.mp4"
    media = cut_clip(source, span(times, 320, 360), target, SETTINGS)
    assert media.frames == 40
    assert numbers(target) == list(range(20, 60))
    # the clip starts 0.8 s into the second part, so the click of its second 1 comes 0.2 s in
    assert clicks(target)[0] == pytest.approx(0.2, abs=0.04)


def test_the_clock_of_a_broadcast_falls_where_recordings_are_joined(tmp_path):
    parts = []
    for offset in (7200, 3600):
        plain = numbered.write(tmp_path / f"{offset}.mp4", 150, sound=True)
        part = tmp_path / f"{offset}.ts"
        ffmpeg("-i", plain, "-c", "copy", "-output_ts_offset", offset, part)
        parts.append(part.read_bytes())
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    source, times = source_of(path)
    assert (times.pts[-1] - times.pts[0]) * source.info.time_base < 13
    target = tmp_path / "clip.mp4"
    assert cut_clip(source, span(times, 170, 210), target, SETTINGS).frames == 40
    assert numbers(target) == list(range(20, 60))
    assert clicks(target)[0] == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize("handed_over", [False, True], ids=["by-time", "handed-over"])
def test_uneven_frames_keep_their_times(tmp_path, monkeypatch, handed_over):
    path = uneven(tmp_path)
    source, times = source_of(path)
    together = {tmp_path / f"{a}.mp4": span(times, a, b) for a, b in ((40, 80), (80, 120))}
    assert not any(wanted.even for wanted in together.values())
    if handed_over:
        monkeypatch.setattr(cut, "by_time", lambda *_: ["false"])
    results = cut_clips(source, together, SETTINGS)
    for target, wanted in together.items():
        assert numbers(target) == list(range(wanted.start_frame, wanted.end_frame))
        shown = [f.pts * float(probe(target).time_base) for f in frames(target, probe(target))]
        theirs = np.array(times.pts[wanted.start_frame : wanted.end_frame]) / 1000
        assert np.abs(np.subtract(shown, theirs - theirs[0])).max() < 0.0001
        assert float(results[target].fps) == pytest.approx(float(wanted.rate), rel=0.02)


def uneven(folder: Path) -> Path:
    """200 frames, 25 of 33 ms and 25 of 50 ms by turns."""
    steps = np.where(np.arange(200) % 50 < 25, 33, 50)
    pts = [0, *np.cumsum(steps)[:-1].tolist()]
    return numbered.write(
        folder / "a.mkv", 200, Fraction(25), pts=pts, time_base=Fraction(1, 1000), sound=True
    )


def test_each_part_of_a_variable_video_has_its_own_rate(tmp_path):
    source, times = source_of(uneven(tmp_path))
    for start, end, rate in ((0, 25, 30), (25, 50, 20)):
        wanted = span(times, start, end)
        assert (wanted.even, round(float(wanted.rate))) == (True, rate)
        cut_clip(source, wanted, tmp_path / "clip.mp4", SETTINGS)
        assert numbers(tmp_path / "clip.mp4") == list(range(start, end))


def test_a_pause_after_the_last_frame_is_not_in_the_clip(tmp_path):
    pts = [n * 40 + (4000 if n >= 50 else 0) for n in range(100)]
    path = numbered.write(
        tmp_path / "a.mkv", 100, Fraction(25), pts=pts, time_base=Fraction(1, 1000), sound=True
    )
    source, times = source_of(path)
    for start, end in ((10, 50), (50, 90)):
        media = cut_clip(source, span(times, start, end), tmp_path / "clip.mp4", SETTINGS)
        assert (media.fps, media.frames) == (25, 40)
        assert numbers(tmp_path / "clip.mp4") == list(range(start, end))
        with av.open(str(tmp_path / "clip.mp4")) as container:
            assert container.duration / 1e6 == pytest.approx(1.6, abs=0.05)


def test_avi_without_presentation_times(tmp_path):
    plain = numbered.write(tmp_path / "plain.mp4", 120)
    path = tmp_path / "a.avi"
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(plain), "-c:v", "libx264",
         "-bf", "3", "-g", "100", "-crf", "12", str(path)],
        check=True,
    )  # fmt: skip
    source, times = source_of(path)
    assert source.handed_over
    wanted = span(times, 31, 71)
    assert (wanted.even, wanted.rate) == (True, 25)
    cut_clip(source, wanted, tmp_path / "clip.mp4", SETTINGS)
    assert numbers(tmp_path / "clip.mp4") == list(range(31, 71))


def test_the_default_sound_track_is_taken(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 60, sound=True)
    both = tmp_path / "both.mkv"
    silence = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo"]
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), *silence, "-shortest",
         "-map", "0:v", "-map", "1:a", "-map", "0:a", "-c:v", "copy", "-c:a", "aac",
         "-disposition:a:0", "0", "-disposition:a:1", "default", str(both)],
        check=True,
    )  # fmt: skip
    source, pts = source_of(both)
    cut_clip(source, span(pts, 10, 50), tmp_path / "clip.mp4", SETTINGS)
    assert clicks(tmp_path / "clip.mp4")[0] == pytest.approx(0.6, abs=0.01)


def test_a_time_base_finer_than_a_microsecond(tmp_path):
    rate = Fraction(30000, 1001)
    pts = [round(n / rate * 10_000_000) for n in range(120)]
    path = numbered.write(tmp_path / "a.mp4", 120, rate, pts=pts, time_base=Fraction(1, 10_000_000))
    source, times = source_of(path)
    assert source.info.time_base < Fraction(1, 1_000_000)
    for start in range(31, 60, 4):
        # after 30 frames the tenths of a microsecond are the same again: rounded wrongly, both ends
        # would move and the number of frames would not tell
        cut_clip(source, span(times, start, start + 30), tmp_path / "clip.mp4", SETTINGS)
        assert numbers(tmp_path / "clip.mp4") == list(range(start, start + 30))


def test_full_range_pictures_become_what_browsers_know(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 60)
    full = tmp_path / "full.mp4"
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-vf",
         "scale=out_range=pc,format=yuvj420p", "-color_range", "pc", str(full)],
        check=True,
    )  # fmt: skip
    source, pts = source_of(full)
    cut_clip(source, span(pts, 0, 40), tmp_path / "clip.mp4", SETTINGS)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_names_that_are_no_text(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 60, sound=True)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.mp4"))
    path.rename(odd)
    source, pts = source_of(odd)
    assert cut_clip(source, span(pts, 0, 40), tmp_path / "clip.mp4", SETTINGS).frames == 40


def test_sound_that_starts_late_is_preceded_by_silence(tmp_path, media_data):
    path = media_data / "odd" / "derived" / "audio_shorter_than_video.mp4"
    source, pts = source_of(path)
    media = cut_clip(source, span(pts, 30, 70), tmp_path / "clip.mp4", SETTINGS)
    assert media.frames == 40
    with av.open(str(tmp_path / "clip.mp4")) as container:
        sound = sum(f.samples for f in container.decode(audio=0))
    assert sound / 48000 == pytest.approx(40 / 30, abs=0.03)


def test_what_browsers_need(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 60, sound=True)
    source, pts = source_of(path)
    cut_clip(source, span(pts, 5, 50), tmp_path / "clip.mp4", SETTINGS)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.codec_context.name == "h264"
        assert video.codec_context.pix_fmt == "yuv420p"
        assert audio.codec_context.name == "aac"
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_equal_input_gives_equal_bytes(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 60, sound=True)
    source, pts = source_of(path)
    hashes = set()
    for name in ("one.mp4", "two.mp4"):
        cut_clip(source, span(pts, 5, 50), tmp_path / name, SETTINGS)
        hashes.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "name", ["-dash.mp4", "späce 'quote' \"two\".mp4", "new\nline.mp4", "file:x|y.mp4", "%03d.mp4"]
)
def test_odd_names(tmp_path, name):
    path = numbered.write(tmp_path / "plain.mp4", 60).rename(tmp_path / name)
    source, pts = source_of(path)
    media = cut_clip(source, span(pts, 3, 40), tmp_path / "out" / "clip.mp4", SETTINGS)
    assert media.frames == 37


def test_a_damaged_source_is_an_error_and_leaves_no_file(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 60)
    source, pts = source_of(path)
    path.write_bytes(b"\0" * 1000)
    with pytest.raises(CaerError, match=r"a\.mp4: a clip could not be cut"):
        cut_clip(source, span(pts, 3, 40), tmp_path / "out" / "clip.mp4", SETTINGS)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_clip_of_fewer_frames_than_asked_for_is_refused(tmp_path):
    path = numbered.write(tmp_path / "a.mp4", 60)
    source, pts = source_of(path)
    first, tick = pts.pts[30], pts.pts[1] - pts.pts[0]
    beyond = Span(30, 90, first, first + 60 * tick, source.fps)
    with pytest.raises(CaerError, match="30 frames instead of 60"):
        cut_clip(source, beyond, tmp_path / "clip.mp4", SETTINGS)


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        ((1920, 1080), 480, (854, 480)),
        ((333, 187), 480, (332, 188)),
        ((640, 360), 480, (640, 360)),
        ((720, 1280), 480, (270, 480)),
        ((1, 1), 480, (2, 2)),
    ],
)
def test_sizes(size, limit, expected):
    assert clip_size(*size, limit) == expected


def changing_layout(folder: Path) -> Path:
    """A broadcast of 160 frames whose sound is stereo for 80 of them, then mono."""
    plain = numbered.write(folder / "plain.mp4", 160, sound=True)
    parts = []
    for number, channels in enumerate((2, 1)):
        part = folder / f"{number}.ts"
        ffmpeg("-ss", number * 3.2, "-t", 3.2, "-i", plain, "-c:v", "libx264", "-crf", 12,
               "-c:a", "ac3", "-ac", channels, "-output_ts_offset", number * 3.2, part)  # fmt: skip
        parts.append(part.read_bytes())
    path = folder / "joined.ts"
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("handed_over", [False, True], ids=["by-time", "handed-over"])
@pytest.mark.parametrize(("start", "end"), [(70, 120), (60, 110), (78, 130), (100, 150)])
def test_sound_that_changes_its_layout_stays_with_its_pictures(
    tmp_path: Path, handed_over: bool, start: int, end: int
) -> None:
    path = changing_layout(tmp_path)
    found, times = source_of(path)
    source = Source(path, found.info, found.first_pts, found.fps, handed_over)
    target = tmp_path / "clip.mp4"
    media = cut_clip(source, span(times, start, end), target, SETTINGS)
    assert (media.frames, media.has_audio) == (end - start, True)
    assert numbers(target) == list(range(start, end))
    wanted = [(n - start) / 25 for n in range(0, 160, 25) if start <= n < end]
    heard = clicks(target)
    begun = heard[np.flatnonzero(np.diff(heard, prepend=-1.0) > 0.1)]
    assert begun == pytest.approx(wanted, abs=0.03)
    assert media.sound_s == pytest.approx((end - start) / 25, abs=0.15)


def test_where_the_sound_has_ended_a_clip_that_is_handed_over_is_silent(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 160, sound=True)
    path = tmp_path / "short.mkv"
    ffmpeg("-i", plain, "-t", 2, "-i", plain, "-map", "0:v", "-map", "1:a", "-c", "copy", path)
    found, times = source_of(path)
    source = Source(path, found.info, found.first_pts, found.fps, handed_over=True)
    for start, end in ((40, 90), (100, 150)):
        media = cut_clip(source, span(times, start, end), tmp_path / "clip.mp4", SETTINGS)
        assert (media.frames, media.has_audio) == (50, True)
        assert media.sound_s == pytest.approx(2.0, abs=0.05)
        assert all(clicks(tmp_path / "clip.mp4") < (50 - start) / 25 + 0.05)
