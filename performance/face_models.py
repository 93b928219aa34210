"""Time of each face model against dlib itself and against torch, in one run, on one core.

    python performance/face_models.py [PICTURE] [--weights FOLDER] [--repeats 3]

Each model looks at the same picture in turn, round after round, and its best round counts, in CPU
time, so that other work on the machine disturbs as little as it can. Without a picture, an enlarged
portrait that scikit-image carries is used. dlib's detector and embedder are the peers: a ratio of
20 means twenty times faster. Where torch is installed, the same networks run in it, and the largest
differences of scores and vectors are printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import dlib
import numpy as np

from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Faces
from caer_data.faces.models import (
    Detections,
    create_detector,
    embedded,
    onnx,
    weights,
)
from caer_data.faces.models.dlib_embedder import DlibEmbedder
from caer_data.faces.models.mmod import MmodDetector

LONG_SIDE = 960
BATCH = 4


def best(actions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least CPU time of each action, in ms; the actions take turns."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats + 1):  # the first round warms up
        for name, act in actions.items():
            started = time.process_time()
            act()
            times[name].append(1000 * (time.process_time() - started))
    return {name: min(values[1:]) for name, values in times.items()}


def in_torch(name: str) -> dict[str, onnx.OnnxModel]:
    """One of dlib's networks in torch, in the coat of an ONNX model; nothing without torch."""
    try:
        import torch
        from dlib_in_torch import DetectorNetwork, EmbedderNetwork
    except ImportError:
        return {}
    network = (DetectorNetwork if name == embedded.DETECTOR else EmbedderNetwork)(
        weights.embedded(name)
    ).eval()
    torch.set_num_threads(1)
    real = embedded.load(name, "cpu", 1).session

    class Session:
        get_modelmeta = real.get_modelmeta

        def __init__(self, bfloat16: bool) -> None:
            self.bfloat16 = bfloat16

        def run(self, _: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            pixels = torch.from_numpy(inputs["pictures"]).permute(0, 3, 1, 2).float()
            with (
                torch.inference_mode(),
                torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16),
            ):
                return [network(pixels).float().numpy()]

    word = "mmod" if name == embedded.DETECTOR else "dlib"
    found = {f"{word} in torch": onnx.OnnxModel(Session(False), "cpu", [])}
    ask = getattr(torch.cpu, "get_capabilities", dict)  # older releases of torch cannot say
    if ask().get("avx512_bf16"):
        found[f"{word} in torch, bfloat16"] = onnx.OnnxModel(Session(True), "cpu", [])
    return found


def largest_differences(picture: np.ndarray) -> None:
    """Print how far the results in torch lie from those in ONNX Runtime."""
    ours = MmodDetector(embedded.load(embedded.DETECTOR, "cpu", 1), LONG_SIDE)
    faces = ours.detect([picture], -1.0)[0]
    embedder = DlibEmbedder(embedded.load(embedded.EMBEDDER, "cpu", 1))
    chips = embedder.align(picture, faces)
    vectors = embedder.embed(chips)
    for name, model in in_torch(embedded.DETECTOR).items():
        theirs = MmodDetector(model, LONG_SIDE).detect([picture], -1.0)[0]
        if len(theirs) != len(faces):
            print(f"{name}: {len(theirs)} faces against {len(faces)}")
            continue
        boxes = np.abs(theirs.boxes - faces.boxes).max(initial=0)
        scores = np.abs(theirs.scores - faces.scores).max(initial=0)
        print(f"{name}: {len(faces)} faces, boxes within {boxes:.1g} px, scores {scores:.1g}")
    for name, model in in_torch(embedded.EMBEDDER).items():
        distance = np.linalg.norm(DlibEmbedder(model).embed(chips) - vectors, axis=1)
        print(f"{name}: vectors within {distance.max(initial=0):.1g}")


def detectors(
    picture: np.ndarray, folder: Path | None
) -> tuple[dict[str, Callable[[], object]], dict[str, int]]:
    """Actions that detect, and how many pictures each looks at."""
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    peer = dlib.cnn_face_detection_model_v1(str(weights.embedded("mmod_human_face_detector.dat")))
    actions: dict[str, Callable[[], object]] = {"dlib's own MMOD": lambda: peer(rgb, 0)}
    pictures = {"dlib's own MMOD": 1}

    def add(name: str, detector: object, count: int = 1) -> None:
        actions[name] = lambda: detector.detect([picture] * count, detector.min_score)  # type: ignore[attr-defined]
        pictures[name] = count

    model = embedded.load(embedded.DETECTOR, "cpu", 1)
    add("mmod, dlib's pyramid", MmodDetector(model, LONG_SIDE, step=5 / 6))
    for runtime, loaded in {"mmod": model, **in_torch(embedded.DETECTOR)}.items():
        detector = MmodDetector(loaded, LONG_SIDE)
        add(runtime, detector)
        add(f"{runtime}, {BATCH} pictures at once", detector, BATCH)
    add("hog", create_detector(Faces(detector="hog", detector_size=LONG_SIDE), 1))
    for word, size, file in (("scrfd", 320, ""), ("scrfd", 640, ""), ("yunet", 640, "yunet")):
        if folder is None:
            continue
        found = sorted(folder.glob(f"*{file}*.onnx")) if file else [folder]
        for path in found:
            name = f"{word} at {size}" + (f", {path.stem}" if file else "")
            try:
                add(
                    name,
                    create_detector(Faces(detector=word, detector_size=size, weights=str(path)), 1),
                )
            except CaerError as error:
                print(f"{name}: {error}")
    return actions, pictures


def embedders(picture: np.ndarray, faces: Detections) -> dict[str, Callable[[], object]]:
    """Actions that embed the same faces."""
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    network = weights.embedded("dlib_face_recognition_resnet_model_v1.dat")
    peer = dlib.face_recognition_model_v1(str(network))
    predictor = dlib.shape_predictor(str(weights.embedded("shape_predictor_5_face_landmarks.dat")))
    boxes = [dlib.rectangle(*(int(edge) for edge in box.round())) for box in faces.boxes]

    def theirs() -> object:
        return [peer.compute_face_descriptor(rgb, predictor(rgb, box)) for box in boxes]

    actions: dict[str, Callable[[], object]] = {"dlib's own ResNet": theirs}

    def add(name: str, embedder: DlibEmbedder) -> None:
        actions[name] = lambda: embedder.embed(embedder.align(picture, faces))

    add("dlib", DlibEmbedder(embedded.load(embedded.EMBEDDER, "cpu", 1)))
    for name, model in in_torch(embedded.EMBEDDER).items():
        add(name, DlibEmbedder(model))
    return actions


def print_table(title: str, times: dict[str, float], peer: str) -> None:
    """One line a model: ms, and how many times faster than the peer."""
    print(f"\n{title:44} {'ms':>8} {'ratio':>7}")
    for name, value in times.items():
        print(f"{name:44} {value:8.1f} {times[peer] / value:7.1f}")


def main() -> None:
    """Time everything and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", type=Path)
    parser.add_argument("--weights", type=Path, help="folder with SCRFD and YuNet models")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.picture:
        picture = cv2.imread(str(arguments.picture))
    else:
        import skimage.data

        picture = cv2.cvtColor(skimage.data.astronaut()[:288], cv2.COLOR_RGB2BGR)
    scale = LONG_SIDE / max(picture.shape[:2])
    picture = cv2.resize(picture, None, fx=scale, fy=scale)
    print(f"{picture.shape[1]} by {picture.shape[0]} pixels, one core, CPU time, best round")

    actions, pictures = detectors(picture, arguments.weights)
    times = best(actions, arguments.repeats)
    per_picture = {name: value / pictures[name] for name, value in times.items()}
    print_table("detectors, per picture", per_picture, "dlib's own MMOD")

    faces = create_detector(Faces(detector="mmod", detector_size=LONG_SIDE), 1).detect(
        [picture], 0.0
    )[0]
    if len(faces):
        times = best(embedders(picture, faces), arguments.repeats)
        per_face = {name: value / len(faces) for name, value in times.items()}
        print_table(
            f"embedders, per face ({len(faces)} in the picture)", per_face, "dlib's own ResNet"
        )
    print()
    largest_differences(picture)


if __name__ == "__main__":
    main()
