from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numbered_video as numbered
import pytest

from caer_data.curate import videos
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Videos

SETTINGS = Videos()


def ignore(*_: Any) -> None:
    """Progress that nobody follows."""


def describe_all(shows: Path, work: Path) -> list[videos.Described]:
    found = videos.find(shows, SETTINGS)
    return videos.mark_duplicates(
        [videos.describe(item, SETTINGS, "default", work, ignore) for item in found]
    )


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.mark.parametrize(
    ("name", "show", "episode", "video_id"),
    [
        ("First Show/S01E01.mp4", "First Show", "S01E01", "first-show.s01e01"),
        ("Friends/Season 1/e01.mp4", "Friends", "Season 1/e01", "friends.season-1-e01"),
        ("Friends/s01/e01.mp4", "Friends", "s01/e01", "friends.s01-e01-be33a9"),
        ("Friends/e01.MKV", "Friends", "e01", "friends.e01-mkv"),
        ("pilot.webm", "raw", "pilot", "raw.pilot-webm"),
        ('A B/it\'s "1".mp4', "A B", 'it\'s "1"', "a-b.it-s-1-9b2ebf"),
        ("-x/-y.avi", "-x", "-y", "x-ff37d9.y-avi-b3a6d2"),
    ],
)
def test_names_follow_from_the_path(
    tmp_path: Path, name: str, show: str, episode: str, video_id: str
) -> None:
    touch(tmp_path / "raw", name)
    (found,) = videos.find(tmp_path / "raw", SETTINGS)
    assert (found.show, found.episode, found.video_id) == (show, episode, video_id)
    assert found.relative == name


def test_hidden_and_other_files_are_passed_over_and_order_is_by_path(tmp_path: Path) -> None:
    touch(
        tmp_path, "b/2.mp4", "b/10.mp4", "a/x.mov", "a/notes.txt", "a/.hidden.mp4", ".git/y.mp4",
        "c/.cache/z.mp4", "mp4",
    )  # fmt: skip
    assert [f.relative for f in videos.find(tmp_path, SETTINGS)] == [
        "a/x.mov",
        "b/10.mp4",
        "b/2.mp4",
    ]


def test_of_two_files_of_one_episode_the_shorter_name_comes_first(tmp_path: Path) -> None:
    touch(tmp_path, "b/S01E02 again.mp4", "b/S01E02.mp4", "b/S01E02.mkv", "b x/1.mp4", "b/a/1.mp4")
    assert [f.relative for f in videos.find(tmp_path, SETTINGS)] == [
        "b/S01E02.mkv",
        "b/S01E02.mp4",
        "b/S01E02 again.mp4",
        "b/a/1.mp4",
        "b x/1.mp4",
    ]


def test_an_identifier_does_not_depend_on_what_else_is_there(tmp_path: Path) -> None:
    names = [
        "S/a b.mp4", "S/a-b.mp4", "S/a_b.mkv", "S/a b.mkv", "S/a b mkv.mp4", "S/a  b.mp4",
        "S/Season 1/e.mp4", "S/Season 1 e.mp4", "S/Season 1-e.mp4", "S/x/e.mp4", "S/x e.mp4",
        "T/S/Season 1/e.mp4", "S S01E01.mp4", "S/S S01E01.mp4", "S-/a b.mp4",
        "S/caf\xe9.mp4", "S/cafe.mp4", "S/" + "long " * 20 + "name.mp4",
    ]  # fmt: skip
    alone = []
    for number, name in enumerate(names):
        touch(tmp_path / str(number), name)
        alone.append(videos.find(tmp_path / str(number), SETTINGS)[0].video_id)
    assert len(set(alone)) == len(names)
    touch(tmp_path / "raw", *names)
    together = {f.relative: f.video_id for f in videos.find(tmp_path / "raw", SETTINGS)}
    assert [together[name] for name in names] == alone


def test_names_that_differ_in_capitals_stay_apart(tmp_path: Path) -> None:
    touch(tmp_path, "s/a b.mp4", "s/A B.mp4")
    assert len({f.video_id for f in videos.find(tmp_path, SETTINGS)}) == 2


def test_a_single_file_is_a_show_of_its_folder(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "film.xyz.mp4", 5)
    (found,) = videos.find(path, SETTINGS)
    assert (found.path, found.relative) == (path, "film.xyz.mp4")


def test_linked_folders_are_entered_once(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "e1.mp4")
    shows = tmp_path / "shows"
    shows.mkdir()
    (shows / "show").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "again").symlink_to(shows)
    assert [f.relative for f in videos.find(shows, SETTINGS)] == ["show/e1.mp4"]


@pytest.mark.parametrize("files", [(), ("notes.txt",), (".hidden.mp4",)], ids=str)
def test_nothing_to_build_says_what_was_looked_for(tmp_path: Path, files: tuple[str, ...]) -> None:
    touch(tmp_path, *files)
    with pytest.raises(CaerError, match=r"contains no video with the extension .*\.mkv .*\.mp4"):
        videos.find(tmp_path, SETTINGS)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaerError, match="absent: no such folder"):
        videos.find(tmp_path / "absent", SETTINGS)


def test_strange_names_survive_the_table(tmp_path: Path) -> None:
    names = [
        "a\nb.mp4",
        "quote'\".mp4",
        os.fsdecode(b"caf\xe9.mp4"),
        "日本.mp4",
        "🎬.mp4",
        "-i.mp4",
    ]
    shows = tmp_path / "shows"
    for number, name in enumerate(names):
        path = shows / "s" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        numbered.write(tmp_path / "plain.mp4", 5 + number).rename(path)
    rows = [item.row for item in describe_all(shows, tmp_path / "work")]
    assert {row["status"] for row in rows} == {"ok"}
    tables.write(tables.VIDEOS, tables.frame(tables.VIDEOS, rows), tmp_path / "videos.parquet")
    read = tables.read(tables.VIDEOS, tmp_path / "videos.parquet")
    assert "s/a\nb.mp4" in set(read["path"])
    assert "s/caf\\xe9.mp4" in set(read["path"])
    assert read["video_id"].str.fullmatch(r"[a-z0-9.-]+").all()


def test_the_same_content_twice_is_one_video(tmp_path: Path) -> None:
    shows = tmp_path / "shows"
    (shows / "s").mkdir(parents=True)
    numbered.write(shows / "s" / "b.mp4", 5)
    shutil.copy(shows / "s" / "b.mp4", shows / "s" / "c.mp4")
    shutil.copy(shows / "s" / "b.mp4", shows / "s" / "a.mp4")
    touch(shows, "s/bad1.mp4", "s/bad2.mp4")
    rows = {d.row["path"]: d.row for d in describe_all(shows, tmp_path / "work")}
    assert rows["s/a.mp4"]["status"] == "ok"
    assert rows["s/b.mp4"]["reason"] == rows["s/c.mp4"]["reason"] == "the same as s/a.mp4"
    assert rows["s/b.mp4"]["status"] == "duplicate"
    assert {rows["s/bad1.mp4"]["status"], rows["s/bad2.mp4"]["status"]} == {"failed"}


def test_a_copy_that_is_added_later_and_sorts_first_takes_nothing_away(tmp_path: Path) -> None:
    shows = tmp_path / "shows"
    (shows / "s").mkdir(parents=True)
    numbered.write(shows / "s" / "b.mp4", 5)
    (before,) = describe_all(shows, tmp_path / "work")
    shutil.copy(shows / "s" / "b.mp4", shows / "s" / "a.mp4")
    found = videos.find(shows, SETTINGS)
    work = tmp_path / "work"
    described = [videos.describe(item, SETTINGS, "default", work, ignore) for item in found]
    known = {(before.row["path"], before.row["sha256"])}
    rows = {d.row["path"]: d.row for d in videos.mark_duplicates([*described], known)}
    assert rows["s/b.mp4"]["status"] == "ok"
    changed = {("s/b.mp4", "0" * 64)}
    rows = {d.row["path"]: d.row for d in videos.mark_duplicates([*described], changed)}
    assert rows["s/a.mp4"]["status"] == "ok"


def test_an_edited_video_is_noticed(tmp_path: Path) -> None:
    shows = tmp_path / "shows"
    shows.mkdir()
    path = numbered.write(shows / "a.mp4", 5)
    (before,) = describe_all(shows, tmp_path / "work")
    (again,) = describe_all(shows, tmp_path / "work")
    assert before == again
    numbered.write(path, 9)
    (after,) = describe_all(shows, tmp_path / "work")
    assert after.row["sha256"] != before.row["sha256"]


def test_every_odd_file_gets_a_row(media_data: Path, tmp_path: Path) -> None:
    described = describe_all(media_data / "odd", tmp_path)
    table = tables.frame(tables.VIDEOS, [item.row for item in described])
    tables.check(tables.VIDEOS, table)
    rows = table.set_index("path")
    assert len(rows) == sum(
        p.suffix.lower() in SETTINGS.extensions and not p.name.startswith(".")
        for p in (media_data / "odd").rglob("*")
    )
    failed = rows[rows["status"] == "failed"]
    assert failed["reason"].notna().all()
    assert not failed["reason"].str.contains(str(media_data), regex=False).any()
    assert rows.loc["mp4parse_short-cenc.mp4", "reason"] == (
        "no frame can be decoded (it is encrypted)"
    )
    assert rows.loc["rotated90_face.mov", ["width", "height", "rotation"]].tolist() == [
        480,
        640,
        90,
    ]
    assert rows.loc["derived/UPPERCASE.MP4", "status"] == "ok"


def test_what_another_version_remembered_is_not_read(
    tmp_path: Path, media_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(media_data / "videos" / "man_webcam_2s.mp4", tmp_path / "a.mp4")
    (item,) = videos.find(tmp_path, Videos())
    assert videos.describe(item, Videos(), "default", tmp_path / "work", lambda *_: None).info
    assert videos.remembered(item, Videos(), "default", tmp_path / "work")
    monkeypatch.setattr(videos, "VIDEOS_VERSION", videos.VIDEOS_VERSION + 1)
    assert videos.remembered(item, Videos(), "default", tmp_path / "work") is None
