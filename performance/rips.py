"""Episodes edited from real footage, and rips of them as people have them: what became of each.

The footage comes in two halves: `tune` and `report`. No file is in both. Seed 0 makes the rips that
rules were chosen with; another seed puts the parts in another order, and draws where pictures are
cropped, what the logo, the bars and the tone are like, when adverts come, and what is combined.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from caer_data.media.probe import probe

RATE = 25
CLIP_S = 3.0

PARTS = {
    "tune": [
        "shots_gt/composite_open_44s.mp4",
        "shots_gt/film_tears_of_steel_10s.mp4",
        "videos/woman_sad_then_happy_20s.mp4",
        "shots_gt/concert_hamilton_10s.mp4",
        "videos/portrait_s18_woman_room.mp4",
        "videos/portrait_s32_woman_park.mp4",
        "shots_gt/street_bikes_10s.mp4",
        "videos/portrait_d10_woman_talking.mp4",
        "videos/crowd_walking_4s.mp4",
        "videos/chaplin_10s.mp4",
    ],
    "report": [
        "videos/man_data_streams.mp4",
        "shots_gt/anim_sintel_trailer_30s.mp4",
        "videos/portrait_d9_man_smirk.mp4",
        "videos/carphone_4s.mp4",
        "videos/portrait_d3_woman_frown_surprise.mp4",
        "videos/man_awesome_vfr.mov",
        "shots_gt/webcam_face_noface_vfr_6s.mov",
        "videos/portrait_d13_man_portrait_format.mp4",
        "videos/torso_noface_23s.mp4",
        "videos/portrait_d19_man_smile.mp4",
        "videos/man_webcam_2s.mp4",
    ],
}
ADVERT = "videos/cartoon_goat_12s.mp4"
ADVERT_S = 11.0

_FORM = "scale=640:360:force_original_aspect_ratio=increase,crop=640:360,setsar=1,fps=25"
_LOGO = "drawbox=x=iw*0.82:y=ih*0.05:w=iw*0.13:h=ih*0.1:color=white:t=fill"
_SLOW = 25 * 1001 / 24000
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Rip:
    """What was done to an episode.

    Attributes:
        picture: filters of the pictures.
        sound: filters of the sound.
        speed: seconds of the rip per second of the episode.
        before: seconds put in front.
        shown: part of the episode's picture that is left, as shares of it.
        bars: where that part lies in the rip's picture, as shares of that; left is beyond right
            where it is mirrored.
        out: passages of the episode that are left out, seconds.
        into: times of the episode at which an advert is put in, seconds.
        encoded: how it is encoded.
    """

    picture: str = "null"
    sound: str = "anull"
    speed: float = 1.0
    before: float = 0.0
    shown: Box = WHOLE
    bars: Box = WHOLE
    out: tuple[tuple[float, float], ...] = ()
    into: tuple[float, ...] = ()
    encoded: tuple[str, ...] = ("-crf", "24")

    def at(self, time: float) -> float | None:
        """Where a moment of the episode is, seconds; None if it was left out."""
        if any(start < time < end for start, end in self.out):
            return None
        lost = sum(end - start for start, end in self.out if end <= time)
        put_in = ADVERT_S * sum(at <= time for at in self.into)
        return (time - lost + put_in) * self.speed + self.before

    def box(self, box: Box) -> Box:
        """Where a box is, both as shares of the picture."""

        def along(value: float, axis: int) -> float:
            low, high = self.shown[axis], self.shown[axis + 2]
            start, end = self.bars[axis], self.bars[axis + 2]
            inside = min(max((value - low) / (high - low), 0.0), 1.0)
            return start + inside * (end - start)

        x1, y1, x2, y2 = box
        left, right = sorted((along(x1, 0), along(x2, 0)))  # exchanged where it is mirrored
        return left, along(y1, 1), right, along(y2, 1)


def _cropped(share: float) -> Box:
    return (1 - share) / 2, (1 - share) / 2, (1 + share) / 2, (1 + share) / 2


RIPS = {
    "re-encoded, 240 lines": Rip("scale=-2:240", encoded=("-crf", "32")),
    "MPEG-4 in AVI": Rip(encoded=("-c:v", "mpeg4", "-q:v", "6")),
    "2 s of black in front": Rip(
        "tpad=start_duration=2:start_mode=add:color=black", "adelay=2000:all=1", before=2.0
    ),
    "23.976 fps by dropping frames": Rip("fps=24000/1001"),
    "29.97 fps by duplicating frames": Rip("fps=30000/1001"),
    "23.976 fps, slowed down": Rip(
        f"setpts=PTS*{_SLOW},fps=24000/1001", f"asetrate=48000/{_SLOW},aresample=48000", _SLOW
    ),
    "PAL speed, 4 % faster": Rip(
        "setpts=PTS*24/25,fps=25", "asetrate=50000,aresample=48000", 24 / 25
    ),
    "letterbox": Rip("pad=iw:ih*4/3:0:(oh-ih)/2", bars=(0, 0.125, 1, 0.875)),
    "pillarbox": Rip("pad=iw*4/3:ih:(ow-iw)/2:0", bars=(0.125, 0, 0.875, 1)),
    "squeezed to 4:3": Rip("scale=480:360,setsar=1"),
    "logo": Rip(_LOGO),
    "crop 5 %": Rip("crop=iw*0.9:ih*0.9", shown=_cropped(0.9)),
    "crop 10 %": Rip("crop=iw*0.8:ih*0.8", shown=_cropped(0.8)),
    "crop 10 % and logo": Rip(f"crop=iw*0.8:ih*0.8,{_LOGO}", shown=_cropped(0.8)),
    "crop 15 %": Rip("crop=iw*0.7:ih*0.7", shown=_cropped(0.7)),
    "crop 20 %": Rip("crop=iw*0.6:ih*0.6", shown=_cropped(0.6)),
    "mirrored": Rip("hflip", bars=(1, 0, 0, 1)),
    "mirrored, crop 5 %, letterbox": Rip(
        "crop=iw*0.9:ih*0.9,hflip,pad=iw:ih*4/3:0:(oh-ih)/2",
        shown=_cropped(0.9),
        bars=(1, 0.125, 0, 0.875),
    ),
    "dark, gamma 0.3": Rip("eq=gamma=0.3"),
    "nearly black": Rip("eq=brightness=-0.35:contrast=0.5"),
    "filmed off a screen": Rip(
        "rotate=3*PI/180:fillcolor=gray,crop=iw*0.9:ih*0.9,eq=gamma=0.6,noise=alls=20:allf=t,"
        "scale=-2:240",
        encoded=("-crf", "32"),
    ),
    "adverts removed": Rip(out=((30.0, 45.0), (72.0, 75.0))),
    "adverts inserted": Rip(into=(20.0, 60.0)),
    "combined": Rip(
        f"crop=iw*0.86:ih*0.86,{_LOGO},scale=-2:272,setpts=PTS*24/25,fps=25",
        "asetrate=50000,aresample=48000",
        24 / 25,
        shown=_cropped(0.86),
        out=((30.0, 45.0),),
        into=(60.0,),
        encoded=("-crf", "30"),
    ),
}


def rips(seed: int) -> dict[str, Rip]:
    """The rips of a seed."""
    if not seed:
        return RIPS
    random = np.random.default_rng(seed)

    def crop(most: float) -> tuple[str, Box]:
        """A crop that takes up to `most` of each side, and not the same of opposite ones."""
        left, right, top, bottom = random.uniform(most / 4, most, 4).round(3).tolist()
        width, height = 1 - left - right, 1 - top - bottom
        filters = f"crop=iw*{width:.3f}:ih*{height:.3f}:iw*{left}:ih*{top}"
        return filters, (left, top, 1 - right, 1 - bottom)

    def logo() -> str:
        x, y = random.choice([0.03, 0.78]), random.choice([0.04, 0.84])
        w, h = random.uniform((0.08, 0.06), (0.18, 0.13))
        return f"drawbox=x=iw*{x}:y=ih*{y}:w=iw*{w:.3f}:h=ih*{h:.3f}:color=white@0.8:t=fill"

    tall, wide, black = random.uniform((1.1, 1.1, 0.5), (1.4, 1.4, 6.0)).round(2).tolist()
    letterbox = f"pad=iw:ceil(ih*{tall}/2)*2:0:(oh-ih)/2"
    bars = (0.0, (1 - 1 / tall) / 2, 1.0, (1 + 1 / tall) / 2)
    sides = ((1 - 1 / wide) / 2, 0.0, (1 + 1 / wide) / 2, 1.0)
    at, to, again = np.sort(random.uniform(15, 100, 3)).round().tolist()
    (five, five_shown), (ten, ten_shown) = crop(0.05), crop(0.1)
    (more, more_shown), (mixed, mixed_shown) = crop(0.1), crop(0.08)
    return {
        "re-encoded, 144 lines": Rip("scale=-2:144", encoded=("-crf", "34")),
        "1080 lines": Rip("scale=-2:1080", encoded=("-crf", "28")),
        f"{black} s of black in front": Rip(
            f"tpad=start_duration={black}:start_mode=add:color=black",
            f"adelay={round(black * 1000)}:all=1",
            before=black,
        ),
        "23.976 fps by dropping frames": Rip("fps=24000/1001"),
        "50 fps by duplicating frames": Rip("fps=50"),
        "PAL speed, 4 % slower": Rip(
            "setpts=PTS*25/24,fps=24", "asetrate=46080,aresample=48000", 25 / 24
        ),
        "letterbox": Rip(letterbox, bars=bars),
        "pillarbox": Rip(f"pad=ceil(iw*{wide}/2)*2:ih:(ow-iw)/2:0", bars=sides),
        "logo": Rip(logo()),
        "crop up to 5 % a side": Rip(five, shown=five_shown),
        "crop up to 10 % a side": Rip(ten, shown=ten_shown),
        "crop up to 10 % a side, logo": Rip(f"{more},{logo()}", shown=more_shown),
        "mirrored": Rip("hflip", bars=(1, 0, 0, 1)),
        "gamma 0.7": Rip("eq=gamma=0.7"),
        "gamma 1.3": Rip("eq=gamma=1.3"),
        "adverts removed": Rip(out=((at, at + 9.0), (to, to + 4.0))),
        "adverts inserted": Rip(into=(at, to, again)),
        "combined": Rip(
            f"{mixed},{logo()},eq=gamma=0.85,scale=-2:234,setpts=PTS*25/24,fps=24",
            "asetrate=46080,aresample=48000",
            25 / 24,
            shown=mixed_shown,
            out=((at, at + 9.0),),
            into=(again,),
            encoded=("-crf", "31"),
        ),
        "dark, gamma 0.35": Rip("eq=gamma=0.35"),
        "nearly black": Rip("eq=brightness=-0.33:contrast=0.45"),
    }


def ffmpeg(*arguments: str) -> None:
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *arguments], check=True
    )


def parts(half: str, seed: int) -> list[str]:
    """The parts of an episode, in order."""
    order = np.random.default_rng(seed).permutation(len(PARTS[half])) if seed else None
    return PARTS[half] if order is None else [PARTS[half][at] for at in order]


def episode(data: Path, half: str, seed: int, target: Path) -> Path:
    """All parts of a half, one after the other."""
    if not target.is_file():
        paths = [data / part for part in parts(half, seed)]
        _joined(paths, [None] * len(paths), target, ("-preset", "veryfast", "-crf", "20"))
    return target


def clips(data: Path, half: str, seed: int) -> list[tuple[float, float]]:
    """Spans of an episode, seconds, that lie within one part."""
    ends = [0.0]
    for part in parts(half, seed):
        ends.append(ends[-1] + _seconds(data / part))
    spans = []
    for start, end in pairwise(ends):
        at = start + 0.4
        while at + CLIP_S < end - 0.4:
            spans.append((round(at * RATE) / RATE, round((at + CLIP_S) * RATE) / RATE))
            at += CLIP_S + 0.5
    return spans


def make(data: Path, original: Path, rip: Rip, target: Path) -> Path:
    """One rip of an episode; what is there already is kept."""
    if target.is_file():
        return target
    source = original
    if rip.out or rip.into:
        source = target.with_suffix(".edited.mp4")
        _edited(data, original, rip, source)
    even = f"{rip.picture},crop=trunc(iw/2)*2:trunc(ih/2)*2"
    ffmpeg("-i", str(source), "-vf", even, "-af", rip.sound, "-preset", "ultrafast",
           "-b:a", "96k", *rip.encoded, str(target))  # fmt: skip
    return target


def _edited(data: Path, original: Path, rip: Rip, target: Path) -> None:
    """The episode without what is cut out, and with adverts."""
    whole = round(_seconds(original) * RATE) / RATE
    edges = sorted({0.0, *(edge for span in rip.out for edge in span), *rip.into, whole})
    paths: list[Path] = []
    spans: list[tuple[float, float] | None] = []
    for start, end in pairwise(edges):
        if start in rip.into:
            paths.append(data / ADVERT)
            spans.append((0.0, ADVERT_S))
        if (start, end) not in rip.out:
            paths.append(original)
            spans.append((start, end))
    _joined(paths, spans, target, ("-preset", "ultrafast", "-crf", "16"))


def _joined(
    paths: list[Path],
    spans: list[tuple[float, float] | None],
    target: Path,
    encoded: tuple[str, ...],
) -> None:
    inputs: list[str] = []
    graph: list[str] = []
    for number, (path, span) in enumerate(zip(paths, spans, strict=True)):
        inputs += ["-i", str(path)]
        start, end = span or (0.0, round(_seconds(path) * RATE) / RATE)
        graph.append(
            f"[{number}:v:0]{_FORM},trim={start}:{end},setpts=PTS-STARTPTS,format=yuv420p[v{number}]"
        )
        heard = f"[{number}:a:0]aresample=48000," if probe(path).has_audio else "anullsrc=r=48000,"
        graph.append(
            f"{heard}aformat=channel_layouts=mono,apad,atrim={start}:{end},"
            f"asetpts=PTS-STARTPTS[a{number}]"
        )
    pairs = "".join(f"[v{n}][a{n}]" for n in range(len(paths)))
    graph.append(f"{pairs}concat=n={len(paths)}:v=1:a=1[v][a]")
    ffmpeg(*inputs, "-filter_complex", ";".join(graph), "-map", "[v]", "-map", "[a]", *encoded,
           str(target))  # fmt: skip


def _seconds(path: Path) -> float:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if stream.duration is None or stream.time_base is None:
            raise ValueError(f"{path}: does not say how long it is")
        return float(stream.duration * stream.time_base)
