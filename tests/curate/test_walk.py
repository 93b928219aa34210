from __future__ import annotations

import os
from pathlib import Path

import pytest

from caer_data.curate import videos
from caer_data.curate.walk import season_and_episode, title, walk
from caer_data.engine.ownership import claim_dataset
from caer_data.engine.recipe import Videos

SETTINGS = Videos()


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(folder: Path) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    return [f.relative for f in videos.find(folder, SETTINGS, notes.append)], notes


def test_what_is_no_episode_is_left_out_and_named(tmp_path: Path) -> None:
    touch(
        tmp_path, "Show/S01E01.mkv", "Show/Sample/s.mkv", "Show/Extras/making.mkv",
        "Show/S01E01-sample.mkv", "@eaDir/x.mp4", "#recycle/y.mp4", "Show/S01E01-trailer.mp4",
        "lost+found/z.mp4", "Extras/S01E01.mkv",
        "Show/sample-s01e01.mkv", "Show/S01E01.sample.mkv", "Show/S01E02.The.Sample.720p.mkv",
    )  # fmt: skip
    found, notes = names(tmp_path)
    episodes = ["Show/S01E01.mkv", "Show/S01E02.The.Sample.720p.mkv"]
    assert found == ["Extras/S01E01.mkv", *episodes], "a show may be called Extras"
    assert "9" in str(len(walk(tmp_path, {".mkv", ".mp4"}, SETTINGS.exclude).excluded))
    assert len(notes) == 1
    assert notes[0].startswith("skipped by videos.exclude: #recycle")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_costs_itself_alone(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.mp4", "locked/2.mp4")
    (tmp_path / "locked").chmod(0)
    try:
        found, notes = names(tmp_path)
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert found == ["a/1.mp4"]
    assert "locked" in notes[0]


def test_a_folder_that_fails_to_be_listed_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/1.mp4", "locked/2.mp4")
    real = os.scandir

    def scandir(path: str) -> object:
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found, notes = names(tmp_path)
    assert found == ["a/1.mp4"]
    assert notes == ["skipped because it cannot be read: locked: Permission denied"]


def test_a_dataset_below_the_shows_is_left_out_and_named(tmp_path: Path) -> None:
    touch(tmp_path, "Show/1.mp4", "out/clips/show/show.1.s0001.c1.mp4")
    claim_dataset(tmp_path / "out")
    found, notes = names(tmp_path)
    assert found == ["Show/1.mp4"]
    assert notes == ["skipped because it is a dataset or a release: out"]


def test_discs_are_read_but_for_their_menus(tmp_path: Path) -> None:
    touch(
        tmp_path, "Disc/VIDEO_TS/VIDEO_TS.VOB", "Disc/VIDEO_TS/VTS_01_0.VOB",
        "Disc/VIDEO_TS/VTS_01_1.VOB", "Disc/VIDEO_TS/VTS_01_0.IFO", "Blu/BDMV/STREAM/00001.m2ts",
    )  # fmt: skip
    found, notes = names(tmp_path)
    assert found == ["Blu/BDMV/STREAM/00001.m2ts", "Disc/VIDEO_TS/VTS_01_1.VOB"]
    assert "VIDEO_TS/VIDEO_TS.VOB" in notes[0]


@pytest.mark.parametrize(
    "ending", ["mts", "m2ts", "vob", "asf", "divx", "m2v", "3g2", "f4v", "qt", "mxf"]
)
def test_endings_that_can_be_decoded_are_looked_for(tmp_path: Path, ending: str) -> None:
    touch(tmp_path, f"Show/1.{ending}")
    assert names(tmp_path) == ([f"Show/1.{ending}"], [])


@pytest.mark.parametrize(
    ("path", "show", "season", "number"),
    [
        ("Show (2004)/Season 01/Show (2004) - S01E02 - Title", "Show (2004)", 1, 2),
        ("TV/Show (2004)/Season 2/03 - Title", "Show (2004)", 2, None),
        ("Show/Specials/Show S00E04", "Show", 0, 4),
        ("Show/Staffel 3/Show 3x07", "Show", 3, 7),
        ("Show/show.s02.e11.720p", "Show", 2, 11),
        ("Show/e01", "Show", None, None),
        ("Film 1920x1080/film", "Film 1920x1080", None, None),
    ],
)
def test_names_of_plex_and_kodi(
    tmp_path: Path, path: str, show: str, season: int | None, number: int | None
) -> None:
    touch(tmp_path, f"{path}.mkv")
    (found,) = videos.find(tmp_path, SETTINGS)
    assert (found.show, found.season, found.episode_number) == (show, season, number)


def test_an_episode_straight_in_the_folder_names_its_show(tmp_path: Path) -> None:
    touch(tmp_path, "The.Office.US.S02E03.720p.mkv")
    (found,) = videos.find(tmp_path, SETTINGS)
    assert (found.show, found.season, found.episode_number) == ("The Office US", 2, 3)
    assert title("S01E01") == ""
    assert season_and_episode(["S01E01"]) == (0, 1, 1)
