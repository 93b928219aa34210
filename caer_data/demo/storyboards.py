"""The demo's storyboards: three small shows with known shots, and the credits for the pictures.

The cast are two people whose portraits are in the public domain and part of installed packages; the
places are other pictures of those packages. Nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError

FPS: Final = 25
WIDTH: Final = 854
HEIGHT: Final = 480

SHOWS: Final = ("First Light", "Harbour Street", "The Long Count")
EPISODES: Final = ("s01e01", "s01e02")


@dataclass(frozen=True)
class Source:
    """A picture inside an installed package, with author and licence."""

    package: str
    path: str
    title: str
    author: str
    licence: str

    def locate(self) -> Path:
        """Return the path of the picture, without importing its package.

        Raises:
            CaerError: the package or the picture is not installed.
        """
        spec = importlib.util.find_spec(self.package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            file = Path(folder) / self.path
            if file.is_file():
                return file
        raise CaerError(
            f"{self.package}/{self.path}: the demo's picture is not installed; install caer-data "
            "again with pip"
        )


_SKIMAGE, _SKLEARN = "skimage", "sklearn"
PICTURES: Final = {
    "collins": Source(
        _SKIMAGE, "data/astronaut.png", "Astronaut Eileen Collins", "NASA", "public domain"
    ),
    "hopper": Source(
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "Commodore Grace M. Hopper",
        "James S. Davis, U.S. Navy",
        "public domain",
    ),
    "cat": Source(
        _SKIMAGE, "data/chelsea.png", "Chelsea the cat", "Stéfan van der Walt", "CC0 1.0"
    ),
    "coffee": Source(_SKIMAGE, "data/coffee.png", "Coffee cup", "Rachel Michetti", "CC0 1.0"),
    "rocket": Source(_SKIMAGE, "data/rocket.jpg", "Falcon 9 with DSCOVR", "SpaceX", "CC0 1.0"),
    "stars": Source(
        _SKIMAGE, "data/hubble_deep_field.jpg", "Hubble eXtreme Deep Field", "NASA", "public domain"
    ),
    "pavilion": Source(
        _SKLEARN, "datasets/images/china.jpg", "China", "danielbuechele (Flickr)", "CC BY 2.0"
    ),
    "flower": Source(
        _SKLEARN, "datasets/images/flower.jpg", "Flower", "vultilion (Flickr)", "CC BY 2.0"
    ),
}
CAST: Final = ("collins", "hopper")
STAND_IN: Final = "stand-in"
"""A third person for groups: the first portrait with a reshaped face."""


@dataclass(frozen=True)
class Role:
    """A person in a shot.

    Attributes:
        person: one of `CAST`, or `STAND_IN`.
        x: centre of the face, as a share of the picture's width.
        face: height of the face, as a share of the picture's height.
        mirrored: whether the portrait is flipped horizontally.
    """

    person: str
    x: float = 0.5
    face: float = 0.34
    mirrored: bool = False


@dataclass(frozen=True)
class Shot:
    """One shot of the storyboard.

    Attributes:
        kind: purpose of the shot, such as `close-up` or `group`.
        mood: one of the seven emotions, which determines the colours and the music.
        cast: the people in it, from back to front.
        move: camera move: in, out, left, right, reveal (from the empty side to the face).
        effect: fade-in, fade-out, blurred, dark, or an empty text.
        place: the background, a key of `PICTURES`.
        frames: number of frames; 0 until it is drawn at random.
    """

    kind: str
    mood: str
    cast: tuple[Role, ...] = ()
    move: str = "in"
    effect: str = ""
    place: str = ""
    frames: int = 0


def storyboard(show: str, episode: str) -> list[Shot]:
    """Return the shots of one episode, which are always the same.

    Eight shots show one person, and one shows two people at different distances. The filter must
    drop the others: places without faces, a shot that is too short, two equally prominent people, a
    group, a face that appears late, a blurred and a dark face.
    """
    number = SHOWS.index(show) * len(EPISODES) + EPISODES.index(episode)
    draw = random.Random(number)  # noqa: S311 - a storyboard, not a secret
    moods = [EMOTIONS[(number * 9 + i) % len(EMOTIONS)] for i in range(9)]
    draw.shuffle(moods)
    near, far = CAST[number % 2], CAST[1 - number % 2]
    middle = [
        *(_close_up(CAST[(i + number) % 2], moods[i], draw) for i in range(8)),
        Shot("two-shot", moods[8], (Role(far, 0.75, 0.2), Role(near, 0.32, 0.34)), "out"),
        Shot("two equals", "neutral", (Role(far, 0.7, 0.26), Role(near, 0.3, 0.26))),
        Shot(
            "group",
            "happy",
            (Role(STAND_IN, 0.5, 0.21), Role(far, 0.2, 0.21), Role(near, 0.77, 0.28)),
        ),
        Shot("insert", "neutral", (Role(near),), frames=14),
        _DOUBTFUL[number % len(_DOUBTFUL)],
    ]
    draw.shuffle(middle)
    story = [
        Shot("place", "neutral", move="left", effect="fade-in"),
        *middle[:7],
        Shot("place", "neutral", move="right"),
        *middle[7:],
        Shot("place", "neutral", move="out", effect="fade-out"),
    ]
    places = [name for name in PICTURES if name not in CAST]
    draw.shuffle(places)
    return [
        replace(
            shot,
            place=places[i % len(places)],
            frames=shot.frames or draw.randint(32, 42),
        )
        for i, shot in enumerate(story)
    ]


def _close_up(person: str, mood: str, draw: random.Random) -> Shot:
    role = Role(person, draw.uniform(0.38, 0.62), draw.uniform(0.28, 0.38), draw.random() < 0.5)
    return Shot("close-up", mood, (role,), draw.choice(("in", "out", "left", "right")))


# One per episode: shows a person but must be dropped.
_DOUBTFUL: Final = (
    Shot("late face", "surprise", (Role("hopper", 0.8),), "reveal", frames=60),
    Shot("blurred face", "fear", (Role("collins"),), effect="blurred"),
    Shot("dark face", "fear", (Role("hopper"),), effect="dark"),
)


def truth() -> dict[str, Any]:
    """Return the ground truth of every video: cuts, and frames, faces, people and mood of shots.

    `start` is a shot's first frame, `end` one past its last, both from 0 in the video; `cuts` are
    the first frames of all shots but the first.
    """
    return {
        "filming": 2,  # version of the rendering: shows of another version are created again
        "fps": f"{FPS}/1",
        "width": WIDTH,
        "height": HEIGHT,
        "people": {name: PICTURES[name].title for name in CAST} | {STAND_IN: "nobody"},
        "videos": {
            f"{show}/{episode}.mp4": _video_truth(storyboard(show, episode))
            for show in SHOWS
            for episode in EPISODES
        },
    }


def _video_truth(shots: list[Shot]) -> dict[str, Any]:
    starts = [sum(shot.frames for shot in shots[:i]) for i in range(len(shots) + 1)]
    return {
        "frames": starts[-1],
        "cuts": starts[1:-1],
        "shots": [
            {
                "start": start,
                "end": start + shot.frames,
                "kind": shot.kind,
                "faces": len(shot.cast),
                "people": sorted({role.person for role in shot.cast}),
                "mood": shot.mood,
                "place": shot.place,
            }
            for start, shot in zip(starts, shots, strict=False)
        ],
    }


def credits_text() -> str:
    """Return the authors and licences of the pictures, as Markdown."""
    rows = "\n".join(
        f"| {source.title} | {source.author} | {source.licence} "
        f"| `{source.package}/{source.path}` |"
        for source in PICTURES.values()
    )
    return (
        "# Credits of the demo\n\n"
        "The demo's shows are montages of the pictures below, which are part of installed "
        "packages. They were cropped, scaled, coloured, combined and animated, and one face was "
        "reshaped to create a third person for groups. The stories, moods and sounds are made up "
        "and say nothing about the people shown.\n\n"
        "| picture | by | terms | file |\n|---|---|---|---|\n"
        f"{rows}\n\n"
        "CC BY 2.0: <https://creativecommons.org/licenses/by/2.0/>, "
        "CC0 1.0: <https://creativecommons.org/publicdomain/zero/1.0/>\n"
    )
