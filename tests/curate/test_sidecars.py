"""Which video a file of subtitles belongs to, told by names alone."""

from __future__ import annotations

from pathlib import Path

from caer_data.curate.sidecars import share_out


def owners(videos: list[str], files: list[str]) -> tuple[dict[str, tuple], list[str]]:
    found, strays = share_out([Path(v) for v in videos], [Path(f) for f in files])
    return (
        {
            side.path.as_posix(): (video.as_posix(), side.language, side.forced)
            for video, sides in found.items()
            for side in sides
        },
        [path.as_posix() for path in strays],
    )


def test_names_tell_video_language_and_flags() -> None:
    files = ["S/e1.srt", "S/e1.en.srt", "S/e1.pt-BR.forced.ass", "S/e1 x.srt", "S/e10.srt"]
    found, strays = owners(["S/e1.mkv"], files)
    assert found == {
        "S/e1.srt": ("S/e1.mkv", None, False),
        "S/e1.en.srt": ("S/e1.mkv", "eng", False),
        "S/e1.pt-BR.forced.ass": ("S/e1.mkv", "por", True),
    }
    assert strays == ["S/e1 x.srt", "S/e10.srt"]


def test_the_longest_name_wins() -> None:
    found, _ = owners(["S/e1.mkv", "S/e1.part2.mkv"], ["S/e1.part2.de.srt"])
    assert found["S/e1.part2.de.srt"][:2] == ("S/e1.part2.mkv", "deu")


def test_folders_of_subtitles() -> None:
    files = ["F/Subs/2_English.srt", "S/Subs/e1/3_German.srt", "S/Subs/e2.srt"]
    found, strays = owners(["F/film.mkv", "S/e1.mkv", "S/e2.mkv"], files)
    assert {name: told[:2] for name, told in found.items()} == {
        "F/Subs/2_English.srt": ("F/film.mkv", "eng"),
        "S/Subs/e1/3_German.srt": ("S/e1.mkv", "deu"),
        "S/Subs/e2.srt": ("S/e2.mkv", None),
    }
    assert strays == []
