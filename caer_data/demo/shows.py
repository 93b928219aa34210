"""The demo's shows, for people who want to try caer-data without footage of their own."""

from __future__ import annotations

from pathlib import Path

from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter


def make_shows(folder: Path, reporter: Reporter) -> Path:
    """Create the demo's episodes that are missing in `folder/raw`, and return that folder.

    Also writes `truth.json` (see `storyboards.truth`) and `CREDITS.md`.

    Raises:
        CaerError: a picture is not installed, or the folder cannot be written or contains the
            user's own files under the demo's names.
    """
    import json
    from concurrent.futures import ThreadPoolExecutor

    from caer_data.demo import film as demo_film
    from caer_data.demo import storyboards as demo_show
    from caer_data.engine.files import remove_leftovers, write_text

    shows = folder / "raw"
    truth = demo_show.truth()
    names: list[str] = list(truth["videos"])
    text = json.dumps(truth, indent=1) + "\n"
    known = folder / "truth.json"
    _check_own(folder, names)
    if not (known.is_file() and known.read_text(encoding="utf-8") == text):
        write_text(folder / "CREDITS.md", demo_show.credits_text())
        for name in names:  # created from another storyboard
            (shows / name).unlink(missing_ok=True)
        write_text(known, text)
    missing = [number for number, name in enumerate(names) if not (shows / name).is_file()]

    def film(number: int) -> str:
        show, episode = names[number].removesuffix(".mp4").split("/")
        demo_film.film(demo_show.storyboard(show, episode), shows / names[number], number)
        return names[number]

    if missing:
        remove_leftovers(shows)
        with (
            reporter.stage("demo", len(missing), "episodes") as bar,
            ThreadPoolExecutor(2) as pool,  # the codec and OpenCV release Python's global lock
        ):
            for name in pool.map(film, missing):
                bar.advance(1, name)
    return shows


def _check_own(folder: Path, names: list[str]) -> None:
    """Check that truth.json, CREDITS.md and episodes may be overwritten.

    Those of a demo are recognised by the names of episodes in `truth.json`, and by the first line
    of `CREDITS.md`.
    """
    from caer_data.demo.storyboards import credits_text
    from caer_data.engine.ownership import read_object

    truth, text = folder / "truth.json", folder / "CREDITS.md"
    videos = read_object(truth).get("videos")
    first = credits_text().splitlines()[0].encode()
    by_demo = {
        truth: isinstance(videos, dict) and bool(set(videos) & set(names)),
        text: text.is_file() and text.read_bytes().startswith(first),
    }
    foreign = [path for path, ours in by_demo.items() if path.exists() and not ours]
    if not any(by_demo.values()):
        foreign += [file for name in names if (file := folder / "raw" / name).exists()]
    if foreign:
        raise CaerError(
            f"{foreign[0]}: was not written by a demo; give the demo another folder with --folder"
        )


def check_output(folder: Path, output: Path) -> None:
    """Check that the demo does not overwrite one of the user's datasets.

    Raises:
        CaerError: the output folder is a dataset of other shows.
    """
    from caer_data.demo.storyboards import SHOWS
    from caer_data.engine import tables
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.ownership import check_dataset

    check_dataset(output)
    dataset = Dataset(output)
    if not dataset.recipe_path.is_file():
        return
    if dataset.has(tables.VIDEOS):
        own = set(dataset.videos["show"]) <= set(SHOWS)
    else:
        own = (folder / "truth.json").is_file()  # a demo that was interrupted before writing tables
    if not own:
        raise CaerError(
            f"{output}: is a dataset of other shows; choose another folder for the demo's dataset "
            "with -o"
        )
