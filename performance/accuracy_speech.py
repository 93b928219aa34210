"""Voices against music, who of two faces speaks, and offsets of subtitles, each with its aim.

    python performance/accuracy_speech.py DATA [--speaker-model lr-asd.onnx]

DATA/odd/black_static_subtitle.mp4 holds clean speech. In DATA/videos some people talk and some do
not (`_TALKS`, `_CALM`): a window of a talking face is compared with one of a calm face, or of
somebody who says something else, and is right if it scores higher. The voice model tells where the
talker speaks. Few people talk in the material, so these figures are rough.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import accuracy_faces
import numpy as np
import voice as voice_script
from figures import Figure, missing, share, show
from sklearn.metrics import f1_score

from caer_data.curate import lines
from caer_data.curate.speech import spoken
from caer_data.engine import recipe as recipes
from caer_data.faces.models.choose import create_detector, create_embedder
from caer_data.faces.mouths import mouth_of
from caer_data.faces.search import Models
from caer_data.faces.speakers import TICKS, Speaking, load
from caer_data.media.decode import frames
from caer_data.media.hearing import Block, Heard, hear
from caer_data.media.probe import probe
from caer_data.media.voice import RATE, WINDOW, Voice, load_file, path

_SPEECH = "odd/black_static_subtitle.mp4"
_TALKS = ("man_data_streams.mp4", "portrait_d10_woman_talking.mp4")
_CALM = (
    "portrait_d13_man_portrait_format.mp4", "portrait_d19_man_smile.mp4",
    "portrait_d9_man_smirk.mp4", "portrait_s18_woman_room.mp4",
)  # fmt: skip
_WINDOWS_S = (1, 3)
# of windows of 1 and 3 s, beside calm faces and beside lips that move
_AIMS = {
    "motion": {"calm faces": (0.75, 0.91), "lips that move": (None, None)},
    "lr-asd": {"calm faces": (0.98, 1.0), "lips that move": (0.70, 0.86)},
}
_EPISODES = 46
_NEAR_S = 0.3
_MOSTLY = 0.5  # of a window in which somebody talks


def figures(data: Path, speaker_model: str | None) -> list[Figure]:
    """All of them."""
    return [*_voices(data), *_speakers(data, speaker_model), *_offsets()]


def _voices(data: Path) -> Iterator[Figure]:
    if path() is None:
        yield missing("voices under music, area under the curve", "silero-vad is missing", 0.98)
        return
    pause = np.zeros(2 * RATE, np.float32)
    clean = np.concatenate([pause, voice_script.read(data / _SPEECH), pause])
    clean = clean[: len(clean) // 512 * 512]
    truth = voice_script.loud(clean)
    hear_it = voice_script.listeners()["ours"]
    seconds = f"{len(clean) / RATE:.0f} s of speech and pauses"
    most = float(voice_script.roc_auc_score(truth, hear_it(clean)))
    what = "voices alone, area under the curve"
    yield Figure(what, most, note="the most that truth by loudness allows")
    for name, noise in voice_script.noises(len(clean)).items():
        level = np.sqrt((clean[clean != 0] ** 2).mean() / (noise**2).mean())
        mixed = np.clip(clean + noise * level, -1, 1)
        area = float(voice_script.roc_auc_score(truth, hear_it(mixed)))
        aim = 0.98 if name == "music" else None
        yield Figure(f"voices under {name} as loud, spans of speech, F1", _f1(truth, mixed))
        yield Figure(f"voices under {name} as loud, area under the curve", area, aim, note=seconds)


def _f1(truth: np.ndarray, mixed: np.ndarray) -> float:
    """F1 of the windows that lie in the spans that a build writes down."""
    likely = np.rint(voice_script.listeners()["ours"](mixed) * 200).astype(np.uint8)
    middles = (np.arange(len(truth)) + 0.5) * WINDOW / RATE
    found = np.zeros(len(truth), bool)
    for start, end in spoken(Heard(blocks=[Block(0, likely)]), 0.0):
        found |= (middles >= start) & (middles < end)
    return float(f1_score(truth, found))


def _speakers(data: Path, model: str | None) -> Iterator[Figure]:
    chosen: dict[str, Speaking | None] = {"motion": load("motion", None)}
    chosen["lr-asd"] = load("lr-asd", model) if model else None
    mouths = {name: _mouths(data / "videos" / name) for name in (*_TALKS, *_CALM)}
    for word, speaking in chosen.items():
        for beside, aims in _AIMS[word].items():
            for seconds, aim in zip(_WINDOWS_S, aims, strict=True):
                what = f"who speaks, {word}, beside {beside}, windows of {seconds} s"
                if speaking is None:
                    yield missing(what, "needs --speaker-model", aim)
                    continue
                talk = {n: _talk(data / "videos" / n, mouths[n], seconds) for n in _TALKS}
                if beside == "calm faces":
                    calm = [m for name in _CALM for m in _windows(mouths[name], seconds)]
                    others = dict.fromkeys(_TALKS, calm)
                else:  # somebody who talks, too, but says something else
                    others = {n: [m for o in _TALKS if o != n for m, _ in talk[o]] for n in _TALKS}
                pairs = [
                    (_score(speaking, own, heard), _score(speaking, other, heard))
                    for name in _TALKS
                    for own, heard in talk[name]
                    for other in others[name]
                ]
                yield share(what, sum(x > y for x, y in pairs), len(pairs), aim)


def _score(model: Speaking, mouths: np.ndarray, heard: np.ndarray) -> float:
    return float(model.score(mouths, heard).mean())


def _windows(mouths: np.ndarray, seconds: int) -> list[np.ndarray]:
    length = seconds * TICKS
    return [mouths[n : n + length] for n in range(0, len(mouths) - length + 1, length)]


def _talk(film: Path, mouths: np.ndarray, seconds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Windows in which there is mostly speech: mouths, and the sound with them."""
    heard = (voice_script.read(film) * 32767).astype(np.int16)
    spans = spoken(hear(film, probe(film), Voice(load_file()), False), 0.0)
    found = []
    for number, part in enumerate(_windows(mouths, seconds)):
        a, b = number * seconds, (number + 1) * seconds
        said = sum(max(0.0, min(b, end) - max(a, begin)) for begin, end in spans)
        sound = heard[a * RATE : b * RATE]
        if said >= _MOSTLY * seconds and len(sound) == seconds * RATE:
            found.append((part, sound))
    return found


def _mouths(film: Path) -> np.ndarray:
    """The lower face of the one person of a film, 25 times a second; (ticks, 112, 112)."""
    recipe = recipes.load("caer")
    detector = create_detector(recipe.faces, 2)
    models = Models.of(detector, create_embedder(recipe.faces, 2), recipe.faces)
    found = accuracy_faces.boxes_of(film, models, recipe)
    longest = found.groupby("track_id").size().idxmax()
    boxes = found[found["track_id"] == longest].set_index("frame")
    times, mouths = [], []
    for frame in frames(film, probe(film)):
        if frame.index in boxes.index:
            row = boxes.loc[frame.index]
            box = row[["x1", "y1", "x2", "y2"]].to_numpy(np.float32)
            times.append(float(row["time_s"]))
            mouths.append(mouth_of(frame, box))
    at = np.array(times)
    ticks = np.arange(int((at[-1] - at[0]) * TICKS)) / TICKS + at[0]
    return np.stack([mouths[n] for n in np.abs(at[None] - ticks[:, None]).argmin(axis=1)])


def _offsets() -> Iterator[Figure]:
    """Made episodes: people speak at random, lines are shown roughly then, all of them too late."""
    near, silent = 0, 0
    for seed in range(_EPISODES):
        random = np.random.default_rng(seed)
        spans, at = [], 2.0
        for _ in range(60):
            length = random.uniform(0.8, 4.0)
            spans.append((at, at + length))
            at += length + random.exponential(2.5) + 0.3
        late = float(random.choice([-1, 1]) * random.uniform(1.5, 12.0))
        cues = [
            (a + late + random.normal(0, 0.15), b + late + random.normal(0.3, 0.2))
            for a, b in spans
            if random.random() > 0.1
        ]
        found = lines.offset([cue for cue in cues if cue[0] > 0], spans, at)
        near += found is not None and abs(found + late) <= _NEAR_S
        silent += lines.offset([(a - late, b - late) for a, b in cues], spans, at) is None
    yield share("subtitles: offset within 0.3 s, made episodes", near, _EPISODES, 1.0)
    yield share("subtitles: no warning where they fit, made episodes", silent, _EPISODES, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--speaker-model", help="ONNX file of LR-ASD")
    given = parser.parse_args()
    show("speech", figures(given.data, given.speaker_model))


if __name__ == "__main__":
    main()
