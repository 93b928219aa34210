"""The demo's shows: something to try everything on, for people with no footage at hand."""

from __future__ import annotations

from pathlib import Path

from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter


def make_shows(folder: Path, reporter: Reporter) -> Path:
    """Film the demo's episodes that are not yet in `folder/raw`, and return that folder.

    Also writes `truth.json` (see `demo_show.truth`) and `CREDITS.md`.

    Raises:
        CaerError: a picture is not installed, or the folder cannot be written or holds files of
            somebody's under the demo's names.
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
        for name in names:  # filmed from another storyboard
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
            ThreadPoolExecutor(2) as pool,  # codec and OpenCV work outside of Python's lock
        ):
            for name in pool.map(film, missing):
                bar.advance(1, name)
    return shows


def _check_own(folder: Path, names: list[str]) -> None:
    """Refuse to write over a truth.json, CREDITS.md or episode that no demo wrote.

    What a demo wrote says so: `truth.json` has its episodes' names, `CREDITS.md` its first line.
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
    """See that the demo does not take the place of somebody's own dataset.

    Raises:
        CaerError: the output holds a dataset of other shows.
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
        own = (folder / "truth.json").is_file()  # a demo that was stopped before its tables
    if not own:
        raise CaerError(
            f"{output}: holds a dataset of other shows; give the demo's dataset another folder "
            "with -o"
        )
