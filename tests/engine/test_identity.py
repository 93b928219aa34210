"""Who is who: keys are minted once, and what was said of a clip finds it again or says why not."""

from __future__ import annotations

import doctest
import random
from dataclasses import replace

import pytest

from caer_data.engine import identity
from caer_data.engine.identity import Anchor, Box, assign, mint, presentation, pseudonym, resolve

FACE = Box(0.3, 0.2, 0.5, 0.6)
OTHER_FACE = Box(0.6, 0.2, 0.8, 0.6)
CLIP = Anchor("video-a", 3600, 3600 * 41, 40, FACE)  # 40 frames of 3,600 units


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(identity).failed == 0


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(CLIP, True, id="itself"),
        pytest.param(replace(CLIP, start_pts=7200), True, id="starts one frame later"),
        pytest.param(replace(CLIP, start_pts=7201), False, id="starts more than a frame later"),
        pytest.param(replace(CLIP, end_pts=3600 * 42), True, id="ends one frame later"),
        pytest.param(replace(CLIP, end_pts=3600 * 42 + 200), False, id="ends later"),
        pytest.param(replace(CLIP, box=Box(0.31, 0.22, 0.52, 0.61)), True, id="box of a neighbour"),
        pytest.param(replace(CLIP, box=OTHER_FACE), False, id="the other person"),
        pytest.param(replace(CLIP, box=None), False, id="nobody"),
        pytest.param(replace(CLIP, video_key="video-b"), False, id="another video"),
    ],
)
def test_same(other: Anchor, expected: bool) -> None:
    assert identity.same(CLIP, other) is expected
    assert identity.same(other, CLIP) is expected


def test_keys_are_ten_characters_that_can_be_read_aloud() -> None:
    key = mint(CLIP)
    assert len(key) == 10
    assert not set(key) & set("ilouILOU")
    assert key == mint(replace(CLIP, box=Box(0.3001, 0.2001, 0.4999, 0.6001)))


def test_a_key_is_kept_by_what_resolves_to_it_and_by_nothing_else() -> None:
    minted = {"first": CLIP}
    nearly = replace(CLIP, start_pts=CLIP.start_pts + 100, box=Box(0.32, 0.21, 0.5, 0.62))
    two = replace(CLIP, box=OTHER_FACE)
    keys = assign([two, nearly], minted)
    assert keys[1] == "first"
    assert keys[0] not in minted


def test_of_two_that_resemble_a_clip_the_closer_keeps_its_key() -> None:
    close = replace(CLIP, start_pts=CLIP.start_pts + 10)
    far = replace(CLIP, start_pts=CLIP.start_pts + 3000)
    keys = assign([far, close], {"first": CLIP})
    assert keys[1] == "first"
    assert keys[0] != "first"


def test_small_changes_do_not_add_up() -> None:
    minted = {"first": CLIP}
    moved = CLIP
    for _ in range(3):  # every build moves the start by less than a frame
        moved = replace(moved, start_pts=moved.start_pts + 2000)
    assert assign([moved], minted) != ["first"]


def test_two_clips_never_share_a_key_even_where_hashes_collide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identity, "mint", lambda anchor: "collision0")
    clips = [CLIP, replace(CLIP, box=OTHER_FACE), replace(CLIP, video_key="video-b")]
    assert len(set(assign(clips, {}))) == 3


def test_resolve_says_same_changed_and_gone() -> None:
    longer = replace(CLIP, end_pts=CLIP.end_pts + 50 * 3600, frames=90)
    swapped = replace(CLIP, box=OTHER_FACE)
    elsewhere = replace(CLIP, start_pts=10**7, end_pts=10**7 + 3600 * 40)
    clips = {"key-a": CLIP}
    found = resolve([CLIP, longer, swapped, elsewhere, replace(CLIP, video_key="b")], clips)
    assert [(r.verdict, r.key) for r in found] == [
        ("same", "key-a"),
        ("changed", "key-a"),
        ("changed", "key-a"),
        ("gone", None),
        ("gone", None),
    ]


def test_two_people_of_one_span_do_not_change_places() -> None:
    clips = {"left": CLIP, "right": replace(CLIP, box=OTHER_FACE)}
    found = resolve([clips["right"], clips["left"]], clips)
    assert [r.key for r in found] == ["right", "left"]


def test_the_index_leaves_nothing_out() -> None:
    """Against the plain loop over all pairs, on random clips of very different lengths."""
    draw = random.Random(3)

    def clip() -> Anchor:
        start, frames = draw.randrange(10**6), draw.choice([1, 5, 40, 2000])
        left = draw.choice([0.1, 0.5])
        box = Box(left, 0.2, left + 0.3, 0.7)
        return Anchor(draw.choice("ab"), start, start + frames * 500, frames, box)

    clips = {str(number): clip() for number in range(300)}
    moved = [replace(c, start_pts=c.start_pts + draw.choice([0, 400, 600])) for c in clips.values()]
    for anchor, found in zip(moved, resolve(moved, clips), strict=True):
        equal = {key for key, other in clips.items() if identity.same(anchor, other)}
        touched = {
            key
            for key, other in clips.items()
            if anchor.video_key == other.video_key
            and min(anchor.end_pts, other.end_pts) > max(anchor.start_pts, other.start_pts)
        }
        assert found.verdict == ("same" if equal else "changed" if touched else "gone")
        assert found.key is None or found.key in (equal or touched)


def test_presentations_and_pseudonyms_need_the_secret() -> None:
    one, other = b"0123456789abcdef", b"fedcba9876543210"
    name = presentation(one, "key", "ann@example.org")
    assert name == presentation(one, "key", "ann@example.org")
    names = {
        name,
        presentation(one, "key", "ann@example.org", showing=1),
        presentation(one, "key", "bob@example.org"),
        presentation(other, "key", "ann@example.org"),
        pseudonym(one, "ann@example.org"),
        pseudonym(other, "ann@example.org"),
    }
    assert len(names) == 6
    with pytest.raises(ValueError, match="16 bytes"):
        pseudonym(b"short", "ann@example.org")
