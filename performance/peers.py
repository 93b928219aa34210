"""CAER-Net-S beside a published port, in one run: loading, training, inference; and decoding.

    python performance/peers.py --port PORT --out peers.md
    python performance/peers.py --only decoding          # clips into the store; no port needed

Nothing is fetched. PORT is a folder with a port's own files: `model/model.py` with `CAERSNet` and
`data_loader/data_loaders.py` with `CAERSDataLoader`, as the folder CAER/ of ndkhanh360/CAER on
GitHub has them (MIT; commit 49761a6 has the paper's two streams). Its packages (torchvision) must
be importable. Both sides read the same made-up pictures of 712 x 400 pixels, or those of
`--pictures`, with face 96 and context 112 pixels, in batches of 32, on one thread of the CPU.

Times are processor time, since others may use the machine. Port and ours run in two processes,
which take turns, and each ratio is the median over the rounds, with its smallest and largest.
"Whole" includes loading, as a user waits for it; "network" is the step (ours augments in it) or the
forward pass of a batch already loaded. The convolutions of our step are also timed alone: a step
cannot take less.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import checkout  # noqa: F401 - makes caer_data importable
import numpy as np
import plain_port
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from train_measure import build_store

from caer_data.benchmark.data import augment, windows
from caer_data.benchmark.data.batches import open_frames
from caer_data.benchmark.networks import create
from caer_data.benchmark.recipe import ModelRecipe, load, vary
from caer_data.benchmark.training import runtime
from caer_data.benchmark.training.predict import outputs
from caer_data.benchmark.training.step import TrainingStep

BATCH = 32
FPS = 10
PARTS = {
    "load": "loading, training",
    "learn": "training, network",
    "epoch": "training, whole",
    "forward": "inference, network",
    "test": "inference, whole",
}
"""What is timed: the method of `Port` and `Ours`, and its name in the table."""
HEADS = ("what", "port, ms a sample", "ours, ms a sample", "port / ours", "over the rounds")


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    print(f"one thread, torch {torch.__version__}, processor time", flush=True)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        if "decoding" in options.only:
            lines += decoding(Path(folder), options)
        if options.port and "port" in options.only:
            lines += beside(Path(folder), options)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


# ---- a port of CAER-Net-S ---------------------------------------------------------------------


def beside(folder: Path, options: Any) -> list[str]:
    files, boxes = _pictures(folder, options)
    recipe = vary(
        load("caer-net-s", "tuned"),
        {"compute": {"compile": options.compile}, "train": {"batch_size": BATCH}},
    )
    started = time.process_time()
    ours = Ours(recipe, files, boxes, folder)
    once = 1000 * (time.process_time() - started) / len(files)
    with _port_process(options.port, folder, files, boxes) as port:
        for part in PARTS:  # allocations, file cache, compiling
            port(part)
            getattr(ours, part)()
        times: dict[str, list[tuple[float, float]]] = {part: [] for part in PARTS}
        sides = (port, lambda part: _ms(getattr(ours, part)))
        for number in range(options.rounds):
            for part, found in times.items():
                ms = {side: side(part) for side in sides[:: 1 if number % 2 == 0 else -1]}
                found.append((ms[sides[0]], ms[sides[1]]))
    alone = min(_ms(work) for work in [ours.convolutions()] * (1 + options.rounds))
    rows = [HEADS, ("---",) * len(HEADS)]
    rows += [_row(PARTS[part], found) for part, found in times.items()]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.append(
        f"\nOnce before all epochs, ours decodes into the store: {once:.1f} ms a picture. The "
        f"convolutions of our step alone take {alone:.1f} ms a sample (least of all rounds).\n"
    )
    print("\n".join(lines), flush=True)
    return lines


def _row(name: str, found: list[tuple[float, float]]) -> tuple[str, ...]:
    ratios = [theirs / mine for theirs, mine in found]
    port, ours = (statistics.median(times) for times in zip(*found, strict=True))
    ratio, least, most = statistics.median(ratios), min(ratios), max(ratios)
    return name, f"{port:.2f}", f"{ours:.2f}", f"{ratio:.1f}", f"{least:.1f} to {most:.1f}"


def _ms(work: Callable[[], int]) -> float:
    """Milliseconds of processor time for each of the samples that `work` says it did."""
    started = time.process_time()
    done = work()
    return 1000 * (time.process_time() - started) / done


@contextmanager
def _port_process(*given: Any) -> Iterator[Callable[[str], float]]:
    """Give a function that times a part of the port in a process of the port's own.

    In this process, the product's settings (such as those of the memory) would apply to it, too.
    """
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_be_port, args=(there, *given))
    process.start()
    there.close()

    def ms(part: str) -> float:
        here.send(part)
        found: float = here.recv()
        return found

    try:
        yield ms
    finally:
        here.close()
        process.join()


def _be_port(asked: Any, *given: Any) -> None:
    torch.set_num_threads(1)
    port = Port(*given)
    while True:
        try:
            part = asked.recv()
        except EOFError:  # nothing more is asked
            return
        asked.send(_ms(getattr(port, part)))


class Port:
    """The port's own dataset, transforms and network, trained as its script trains them."""

    def __init__(self, where: Path, folder: Path, files: list[Path], boxes: np.ndarray) -> None:
        sys.path.insert(0, str(where))
        from data_loader.data_loaders import CAERSDataLoader
        from model.model import CAERSNet

        listed = folder / "pictures.txt"
        rows = [
            f"{file},{number % 7},{','.join(str(int(v)) for v in box)}\n"
            for number, (file, box) in enumerate(zip(files, boxes, strict=True))
        ]
        listed.write_text("".join(rows))
        self.train, self.tested = (
            CAERSDataLoader("/", str(listed), train=train, batch_size=BATCH, num_workers=0)
            for train in (True, False)
        )
        self.model = CAERSNet()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=0.01, momentum=0.9, nesterov=True
        )
        given, labels = next(iter(self.train))
        self.batch = given["face"], given["context"], labels

    def load(self) -> int:
        return sum(len(labels) for _, labels in self.train)

    def learn(self) -> int:
        return sum(self._step(*self.batch) for _ in range(4))

    def epoch(self) -> int:
        return sum(self._step(x["face"], x["context"], labels) for x, labels in self.train)

    def _step(self, face: Any, context: Any, labels: Any) -> int:
        self.model.train()
        self.optimizer.zero_grad()
        loss = functional.cross_entropy(self.model(face, context), labels)
        loss.backward()
        self.optimizer.step()
        loss.item()
        return len(labels)

    @torch.no_grad()
    def forward(self) -> int:
        self.model.eval()
        return sum(len(self.model(*self.batch[:2])) for _ in range(4))

    @torch.no_grad()
    def test(self) -> int:
        self.model.eval()
        return sum(len(self.model(x["face"], x["context"])) for x, _ in self.tested)


class Ours:
    """The product's store, augmentation, step and testing."""

    def __init__(
        self, recipe: ModelRecipe, files: list[Path], boxes: np.ndarray, folder: Path
    ) -> None:
        self.recipe = recipe
        self.store = build_store(files, boxes, recipe, folder)
        fabric = runtime.start("cpu")
        self.frames = open_frames(self.store, fabric.device, face=True, context=True)
        self.step = TrainingStep(create(recipe), recipe, fabric)
        self.everything = np.arange(len(self.store.samples))
        self.batch = next(iter(self.frames.batches(self._picks())))
        self.seen = augment.inputs(self.batch, recipe, training=False)

    def _picks(self) -> Any:
        pick = windows.random_windows(self.store, self.everything, 1, 0, 0)
        return pick.batches(BATCH)

    def load(self) -> int:
        done = 0
        for batch in self.frames.batches(self._picks()):
            augment.inputs(batch, self.recipe, training=True)
            done += len(batch.labels)
        return done

    def learn(self) -> int:
        self.step.network.train()
        for _ in range(4):
            given = self.step.arguments(self.batch)
            loss = self.step.loss(self.step.network, given, self.batch.labels)
            loss.backward()
            self.step.optimizer.step()
            self.step.optimizer.zero_grad(set_to_none=True)
            loss.item()
        return 4 * len(self.batch.labels)

    def convolutions(self) -> Callable[[], int]:
        """Return a function that repeats the convolutions of a training step, and nothing else."""
        self.step.network.train()
        given = self.step.arguments(self.batch)
        with _Convolutions() as kept:
            self.step.loss(self.step.network, given, self.batch.labels).backward()
        self.step.optimizer.zero_grad(set_to_none=True)

        def repeat() -> int:
            for convolution, arguments in kept.calls:
                convolution(*arguments)
            return len(self.batch.labels)

        return repeat

    def epoch(self) -> int:
        self.step.network.train()
        done = 0
        for number, batch in enumerate(self.frames.batches(self._picks())):
            self.step.learn(batch, 0.01, number).item()
            done += len(batch.labels)
        return done

    @torch.no_grad()
    def forward(self) -> int:
        self.step.tested.eval()
        return sum(len(self.step.tested(*self.seen).logits) for _ in range(4))

    def test(self) -> int:
        pick = windows.all_windows(self.store, self.everything, 1, 1)
        device = self.step.fabric.device
        found = outputs(self.step.tested, self.recipe, self.frames, pick, device)
        return sum(len(samples) for _, samples in found)


class _Convolutions(TorchDispatchMode):
    """Keeps the calls of convolutions, forward and backward, with their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (
            torch.ops.aten.convolution,
            torch.ops.aten.convolution_backward,
        ):
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))


def _pictures(folder: Path, options: Any) -> tuple[list[Path], np.ndarray]:
    if options.pictures is None:
        where = folder / "pictures"
        where.mkdir()
        return plain_port.write_pictures(where, options.samples)
    from PIL import Image

    files = sorted(p for p in options.pictures.iterdir() if p.suffix in (".jpg", ".jpeg", ".png"))
    sizes = np.array([Image.open(file).size for file in files], np.float32)
    # no face is searched: the middle third stands for one
    return files, np.concatenate([sizes / 3, sizes * 2 / 3], axis=1).round()


# ---- clips into the store -----------------------------------------------------------------------


def decoding(folder: Path, options: Any) -> list[str]:
    """Milliseconds of processor time for each stored frame of clips of three seconds."""
    where = folder / "clips"
    where.mkdir()
    files, boxes = plain_port.write_clips(where, options.clips)
    recipe = load("caer-net", "paper")
    ours, found = [], {"OpenCV, whole frames, resized": [], "decord, at the wanted size": []}
    for number in range(options.rounds):
        started = time.process_time()
        store = build_store(files, boxes, recipe, folder / f"store-{number}")
        ours.append(1000 * (time.process_time() - started) / store.frames.sum())
        for name, read in zip(found, (_opencv, _decord), strict=True):
            started = time.process_time()
            frames = sum(read(file, recipe.input.frame) for file in files)
            if frames:
                found[name].append(1000 * (time.process_time() - started) / frames)
    lines = ["| decoding of clips | ms a frame | over the rounds |", "|---|---|---|"]
    for name, times in {"ours: face crop, context, boxes, sound, hashes": ours, **found}.items():
        cells = ("not installed", "")
        if times:
            cells = f"{statistics.median(times):.2f}", f"{min(times):.2f} to {max(times):.2f}"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    print("\n".join([*lines, ""]), flush=True)
    return [*lines, ""]


def _opencv(file: Path, size: tuple[int, int]) -> int:
    import cv2

    cv2.setNumThreads(1)
    reader = object.__new__(plain_port.Clips)
    reader.frames = 16
    pictures, fps = reader.decode(file)
    wanted = range(int(len(pictures) / fps * FPS))
    return len([cv2.resize(pictures[round(i * fps / FPS)], size[::-1]) for i in wanted])


def _decord(file: Path, size: tuple[int, int]) -> int:
    try:
        import decord
    except ImportError:
        return 0
    reader = decord.VideoReader(str(file), width=size[1], height=size[0], num_threads=1)
    fps = reader.get_avg_fps()
    wanted = [round(i * fps / FPS) for i in range(int(len(reader) / fps * FPS))]
    return len(reader.get_batch(wanted).asnumpy())


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=Path, help="folder with the port's own files")
    parser.add_argument("--only", default="decoding,port", type=lambda s: s.split(","))
    parser.add_argument("--pictures", type=Path, help="folder of pictures instead of made-up ones")
    parser.add_argument("--samples", type=int, default=128, help="made-up pictures")
    parser.add_argument("--clips", type=int, default=8, help="made-up clips of three seconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="ours compiled, as with --compile")
    parser.add_argument("--out", type=Path, help="the tables in Markdown")
    return parser.parse_args()


if __name__ == "__main__":
    main()
