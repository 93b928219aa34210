"""Frames of two fields are told by their pictures, whatever the file says, and shown whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import fields as film
import numbered_video as numbered
import numpy as np
import pytest
from odd_media import cut, ffmpeg

from caer_data.media import interlacing
from caer_data.media.decode import frames
from caer_data.media.fields import Fields
from caer_data.media.interlacing import Interlacing, Measured
from caer_data.media.picture_filters import upright
from caer_data.media.probe import probe


def measured(path: Path) -> Measured:
    seen = Interlacing()
    for frame in frames(path, probe(path)):
        seen.push(frame)
    return seen.measured()


@pytest.mark.parametrize("flagged", [False, True], ids=["flagged-whole", "flagged-fields"])
@pytest.mark.parametrize(
    ("laid", "kind", "order", "fields"),
    [
        (film.TOP, "interlaced", "tt", Fields.TOP),
        (film.BOTTOM, "interlaced", "bb", Fields.BOTTOM),
        (film.FILM, "telecined", "tt", Fields.FILM_TOP),
        (film.FILM_BOTTOM, "telecined", "bb", Fields.FILM_BOTTOM),
        (film.WHOLE, "progressive", None, None),
    ],
)
def test_fields_are_told_by_the_pictures(
    tmp_path: Path, laid: str, kind: str, order: str | None, fields: Fields | None, flagged: bool
) -> None:
    found = measured(film.write(tmp_path / "a.mpg", laid, flagged=flagged))
    assert (found.scan_type, found.order) == (kind, order)
    assert found.fields is (fields or (Fields.WHOLE if flagged else Fields.FLAGGED))


@pytest.mark.parametrize("flagged", [False, True], ids=["flagged-whole", "flagged-fields"])
def test_a_wrong_order_of_fields_is_put_right(tmp_path: Path, flagged: bool) -> None:
    told = film.BOTTOM.replace("fieldorder=bff", "setfield=tff")
    found = measured(film.write(tmp_path / "a.mpg", told, flagged=flagged))
    assert (found.order, found.fields) == ("bb", Fields.BOTTOM)


@pytest.mark.parametrize(
    "moves",
    [
        pytest.param("null", id="nothing-moves"),
        pytest.param("noise=alls=40:allf=t", id="noise"),
        pytest.param("scroll=vertical=0.00555556", id="two-lines-a-frame"),
        pytest.param("scroll=vertical=0.00277778", id="a-line-a-frame"),
        pytest.param("scroll=vertical=0.00416667", id="one-and-a-half"),
        pytest.param("geq=lum='if(mod(Y\\,2)\\,235\\,16)':cb=128:cr=128,scroll=horizontal=.01",
                     id="lines-of-one-pixel"),
        pytest.param("fps=50,select='not(mod(n,2))',tmix=frames=2", id="blended"),
    ],
)  # fmt: skip
def test_whole_frames_are_left_whole(tmp_path: Path, moves: str) -> None:
    found = measured(film.write(tmp_path / "a.mpg", film.WHOLE, moves=moves))
    assert found.scan_type in ("progressive", "unknown")
    assert found.fields is Fields.FLAGGED


@pytest.mark.parametrize(
    ("seconds", "fields"), [(5, Fields.TOP), (1.2, Fields.FLAGGED)], ids=["many", "few"]
)
def test_a_file_of_both_kinds_is_mixed(tmp_path: Path, seconds: float, fields: Fields) -> None:
    parts = [film.write(tmp_path / "a.mpg", film.WHOLE, s=11),
             film.write(tmp_path / "b.mpg", film.TOP, s=seconds)]  # fmt: skip
    both = tmp_path / "both.mkv"
    ffmpeg("-i", parts[0], "-i", parts[1], "-filter_complex", "[0:v][1:v]concat,setfield=prog",
           "-crf", 16, "-preset", "veryfast", both)  # fmt: skip
    found = measured(both)
    assert (found.scan_type, found.order, found.fields) == ("mixed", "tt", fields)
    assert found.share == pytest.approx(seconds / (11 + seconds), abs=0.03)


def test_fields_that_are_not_torn_are_not_called_whole(tmp_path: Path) -> None:
    """A camera that tilts slowly tears no line, and `idet` is right to call its frames fields."""
    whole = film.write(tmp_path / "a.mpg", film.WHOLE, s=6)
    tilted = film.write(tmp_path / "b.mpg", film.TOP, moves="scroll=vertical=0.001", s=6)
    found = measured(film.joined(tmp_path / "a.mkv", [whole, tilted], flagged=True))
    assert found == Measured("unknown", None, None, Fields.FLAGGED)


@pytest.mark.parametrize(
    ("flagged", "others", "fields"),
    [
        ({"progressive": 30}, {"tff": 20, "progressive": 80}, Fields.TOP),
        ({"bff": 80, "progressive": 20}, {"progressive": 24}, Fields.BOTTOM),
        ({"bff": 80, "progressive": 20}, {"progressive": 25}, Fields.FLAGGED),
        ({"tff": 70, "progressive": 30}, {}, Fields.FLAGGED),
        ({"tff": 2, "progressive": 98}, {"progressive": 50}, Fields.WHOLE),
        ({"tff": 2, "progressive": 97}, {}, Fields.FLAGGED),
        ({"tff": 3, "progressive": 97}, {}, Fields.FLAGGED),
        ({}, {"tff": 19, "progressive": 81}, Fields.FLAGGED),
    ],
)
def test_fields_follow_flags_unless_pictures_contradict_them(
    flagged: dict[str, int], others: dict[str, int], fields: Fields
) -> None:
    words = {True: Counter(flagged), False: Counter(others)}
    order = interlacing._share(words[True] + words[False])[1]
    assert interlacing._shown(words, order, film=False) is fields


@pytest.mark.parametrize(
    ("said", "kind", "share", "fields"),
    [
        ({"tff": 5, "bff": 3, "progressive": 192}, "progressive", 0.0, Fields.WHOLE),
        ({"tff": 5, "progressive": 195}, "unknown", None, Fields.FLAGGED),
        ({"tff": 90, "bff": 90, "progressive": 100}, "progressive", 0.0, Fields.WHOLE),
        ({"tff": 343, "progressive": 147}, "unknown", None, Fields.FLAGGED),
        ({"tff": 2, "progressive": 30}, "progressive", 0.0, Fields.FLAGGED),
    ],
)
def test_flags_are_wrong_only_if_no_order_prevails(
    said: dict[str, int], kind: str, share: float | None, fields: Fields
) -> None:
    seen = Interlacing()
    words = Counter(said).elements()
    seen._verdicts = [interlacing._Verdict(n, True, word) for n, word in enumerate(words)]
    assert seen.measured() == Measured(kind, share, None, fields)


def test_one_window_in_five_is_examined_after_the_start() -> None:
    seen: Any = Interlacing()
    taken = []

    class Window:
        def __init__(self, *_: object) -> None:
            self.number = _[0]

        def takes(self, number: int, _: object) -> bool:
            return bool(number == self.number)

        def push(self, index: int, _: object) -> list[Any]:
            taken.append(index)
            return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interlacing, "_Window", Window)
        for index in range(1100):
            seen.push(type("Frame", (), {"index": index, "raw": None}))
    assert taken == [*range(500), *range(500, 550), *range(750, 800), *range(1000, 1050)]


def test_nothing_is_known_of_a_few_frames(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "a.mp4", 12)
    assert measured(path) == Measured("unknown", None, None, Fields.FLAGGED)
    assert Interlacing().measured().scan_type == "unknown"


@pytest.mark.parametrize("fields", [Fields.TOP, Fields.BOTTOM, Fields.FILM_TOP])
@pytest.mark.parametrize("handed_over", [False, True], ids=["by-time", "by-frames"])
def test_clips_and_pictures_have_no_combs(
    tmp_path: Path, fields: Fields, handed_over: bool
) -> None:
    laid = {Fields.TOP: film.TOP, Fields.BOTTOM: film.BOTTOM, Fields.FILM_TOP: film.FILM}[fields]
    path = film.write(tmp_path / "a.mkv", laid)
    info = probe(path)
    flagged, shown = (
        [f.picture() for f in frames(path, i)] for i in (info, replace(info, fields=fields))
    )
    torn = np.array([film.combs(p.mean(axis=2)) for p in flagged])
    assert max(film.combs(p.mean(axis=2)) for p in shown) < torn.max() / 2
    clip = cut(path, tmp_path / "clip.mp4", 20, 90, fields, handed_over)
    pictures = [f.picture() for f in frames(clip, probe(clip))]
    assert len(pictures) == 70
    assert max(film.combs(p.mean(axis=2)) for p in pictures) < torn.max() / 2
    for number in (0, 33, 69):  # the same instants
        errors = [np.abs(pictures[number].astype(int) - shown[20 + number + step]).mean()
                  for step in (-3, 0, 3)]  # fmt: skip
        assert np.argmin(errors) == 1


def test_film_frames_are_put_together_again(tmp_path: Path) -> None:
    """Film frames keep all their lines, of which a deinterlacer invents half."""
    path, whole = film.write(tmp_path / "a.mkv", film.FILM), tmp_path / "film.mkv"
    ffmpeg("-loop", 1, "-r", 20, "-t", 5, "-i", path.with_suffix(".png"), "-vf",
           f"{film.MOVES},format=yuv420p", "-c:v", "mpeg2video", "-q:v", 3, whole)  # fmt: skip
    source = grey(whole)

    def error(fields: Fields) -> float:
        clip = cut(path, tmp_path / "clip.mp4", 10, 60, fields)
        off = [min(np.abs(p - source[int((10 + n) * 0.8) + k]).mean() for k in (-1, 0, 1, 2))
               for n, p in enumerate(grey(clip))]  # fmt: skip
        return float(np.mean(off))

    assert error(Fields.FILM_TOP) < 0.8 * error(Fields.TOP)


def grey(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="gray").astype(int) for f in container.decode(video=0)]


def test_whole_frames_that_are_flagged_as_fields_keep_their_lines(tmp_path: Path) -> None:
    path = film.write(tmp_path / "a.mkv", film.WHOLE, flagged=True)
    info = probe(path)
    assert all(f.raw.interlaced_frame for f in frames(path, info))
    stream = object()
    assert upright_without_tag(stream, replace(info, fields=Fields.WHOLE)) is stream
    kept, halved = (
        next(iter(frames(path, replace(info, fields=f)))).picture()
        for f in (Fields.WHOLE, Fields.FLAGGED)
    )
    with av.open(str(path)) as container:
        raw = next(container.decode(video=0)).to_ndarray(format="bgr24").astype(int)
    assert np.abs(kept - raw).mean() < np.abs(halved - raw).mean() / 2


def upright_without_tag(stream: object, info: Any) -> object:
    """What comes before the filter that removes the rotation tag."""
    from caer_data.media import picture_filters

    assert upright is picture_filters.upright
    return picture_filters._whole_frames(stream, info.fields, interlaced=True)


def test_rare_formats_are_deinterlaced_too(tmp_path: Path) -> None:
    """DV stores four pixels with one colour, a format that FFmpeg converts."""
    path = tmp_path / "a.avi"
    still = film.write(tmp_path / "x.mpg", film.WHOLE, s=1).with_suffix(".png")
    ffmpeg("-loop", 1, "-r", "60000/1001", "-t", 3, "-i", still, "-vf",
           f"{film.MOVES},scale=720:480,{film.BOTTOM},format=yuv411p", "-c:v", "dvvideo",
           path)  # fmt: skip
    assert measured(path).fields is Fields.BOTTOM
    info = probe(path)
    assert info.pixel_format == "yuv411p"
    torn, shown = (
        max(film.combs(f.picture().mean(axis=2)) for f in frames(path, replace(info, fields=f)))
        for f in (Fields.WHOLE, Fields.BOTTOM)
    )
    assert shown < torn / 2
