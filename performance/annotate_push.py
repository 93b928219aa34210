"""How long `caer-data annotate push` takes for CAER's 20,484 clips and three of six raters each.

    python performance/annotate_push.py [--clips 20484]

Starts the pinned Label Studio on an empty SQLite database and pushes a dataset of that size three
times: the first time everything is new, the second time nothing is, the third time after the
first was cut off in the middle. The clips' media are one small file under many names, checked
beforehand, so that assigning, linking, and the server's work are timed, not decoding. Processor
seconds are printed beside the time on the clock, because they depend less on what else runs.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

import psutil

from caer_data.annotate import push
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio import media, projects, server
from caer_data.annotate.studio.client import Server
from caer_data.annotate.studio.sdk import Api
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Recipe, dump

RATERS = [f"rater{number}@example.org" for number in range(1, 7)]


def made_up_dataset(folder: Path, clips: int) -> Dataset:
    """Tables of so many clips, all of whose files are the same few bytes."""
    dataset = Dataset(folder)
    folder.mkdir(parents=True)
    dataset.recipe_path.write_text(dump(Recipe()), encoding="utf-8")
    (folder / "one").write_bytes(b"stands for a clip")
    rows = []
    for number in range(clips):
        path = f"clips/{number:06d}.mp4"
        (folder / path).parent.mkdir(exist_ok=True)
        os.link(folder / "one", folder / path)
        name = f"show-s01e01-{number:06d}"
        rows.append(
            {
                "clip_id": name, "shot_id": name, "video_id": "show-s01e01", "track_id": name,
                "show": "show", "episode": "s01e01", "start_frame": 90 * number,
                "end_frame": 90 * number + 90, "start_pts": 90 * number,
                "end_pts": 90 * number + 90, "start_s": 3.0 * number, "end_s": 3.0 * number + 3,
                "status": "kept", "n_people": 1, "path": path, "width": 854, "height": 480,
                "fps": "30", "frames": 90, "has_audio": True, "bytes": 17, "sha256": "0" * 64,
            }
        )  # fmt: skip
    dataset.write(tables.CLIPS, tables.frame(tables.CLIPS, rows))
    posters = dataset.work_folder / "annotate"
    posters.mkdir(parents=True)
    for key in media.keys(dataset.clips):
        os.link(folder / "one", posters / f"{key}.jpg")
    return dataset


def timed(what: str, dataset: Dataset, target: Server, process: psutil.Process) -> None:
    """Push once and print how long it took, and how long the processors worked for it."""
    started, own, theirs = time.perf_counter(), time.process_time(), sum(process.cpu_times()[:2])
    done = push.push(dataset, target, Reporter("quiet"), raters=RATERS)
    seconds, own = time.perf_counter() - started, time.process_time() - own
    theirs = sum(process.cpu_times()[:2]) - theirs
    print(
        f"{what:<31} {seconds:6.1f} s (processor: push {own:.1f} s, server {theirs:.1f} s), "
        f"{done.added} tasks added, {done.removed} removed"
    )


def cut_off_after(batches: int) -> None:
    """Make the push stop after so many batches, once."""
    write, sent = Api.write, []

    def dying(self: Api, name: str, *arguments: object, **options: object) -> object:
        if name == "projects.import_tasks":
            sent.append(name)
            if len(sent) > batches:
                Api.write = write
                raise KeyboardInterrupt
        return write(self, name, *arguments, **options)

    Api.write = dying


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--clips", type=int, default=20_484)
    clips = parser.parse_args().clips
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as place:
        dataset = made_up_dataset(Path(place) / "dataset", clips)
        folder = Path(place) / "server"
        with server.running(folder, "127.0.0.1", port, Reporter("bars")) as (url, child):
            process = psutil.Process(child.pid)
            access = places.read_access(folder)
            assert access is not None
            target = Server(url, access.token, files=server.files_folder(folder))
            print(f"{clips} clips, 3 of {len(RATERS)} raters each, SQLite, one server")
            timed("push, empty server", dataset, target, process)
            timed("push again, nothing new", dataset, target, process)
            (dataset.folder / "annotation.json").unlink()
            cut_off_after(10 * clips // 20_484)
            try:
                push.push(dataset, target, Reporter("quiet"), raters=RATERS)
            except KeyboardInterrupt:
                timed("push after one that was cut off", dataset, target, process)
            else:
                sys.exit("the push was not cut off")
            found = projects.find(target, dataset_id(dataset))
            assert sum(project.tasks for project in found.values()) == 3 * clips


if __name__ == "__main__":
    main()
