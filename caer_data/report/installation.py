"""Check the installation: what works, what is missing, and how to install it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from caer_data.engine import extras
from caer_data.engine.cores import cores
from caer_data.engine.errors import CaerError

Status = Literal["ok", "missing", "warning", "optional"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: name of the part.
        status: "ok"; "missing": the default build needs it; "warning": works, but not as it
            should; "optional": not installed, and needed only by some recipes or verbs.
        found: what was found.
        fix: the command that fixes it; empty if there is nothing to fix.
    """

    name: str
    status: Status
    found: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Yield the findings about all parts; a failure is a finding, not an error."""
    for look in _LOOKS:
        try:
            yield from look()
        except Exception as error:  # a broken installation can fail in any way
            name = look.__name__.strip("_").replace("_", " ")
            yield Finding(name, "missing", f"breaks: {error}", _REINSTALL)


_REINSTALL: Final = "pip install --force-reinstall .   # in a clone of caer-data"


def _machine() -> Iterator[Finding]:
    import psutil

    good = sys.version_info >= (3, 11)
    yield Finding(
        "Python",
        "ok" if good else "missing",
        platform.python_version(),
        "" if good else "install Python 3.11 or newer",
    )
    tested = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    yield Finding(
        "platform",
        "ok" if tested else "optional",
        platform.platform() + ("" if tested else "; caer-data is tested on Linux on x86-64 only"),
    )
    memory = psutil.virtual_memory().total / 2**30
    yield Finding("processor", "ok", f"{cores()} cores, {memory:.1f} GiB of memory")


def _packages() -> Iterator[Finding]:
    if extras.version("caer-data") is None:
        fix = "pip install .   # in a clone of caer-data"
        yield Finding("packages", "missing", "caer-data itself is not installed", fix)
        return
    wrong = extras.missing("")
    if wrong:
        found = ", ".join(f"{item.name} {extras.version(item.name) or 'missing'}" for item in wrong)
        fix = "pip install " + " ".join(f"'{item}'" for item in wrong)
        yield Finding("packages", "missing", found, fix)
    else:
        count = len(extras.requirements())
        yield Finding("packages", "ok", f"all {count} that caer-data needs")


def _extra(name: str, extra: str, purpose: str) -> Finding:
    """Return whether an extra is installed, and the command that installs it."""
    lacking = extras.missing(extra)
    if lacking:
        names = ", ".join(item.name for item in lacking)
        found = f"not installed ({names}); for {purpose}"
        return Finding(name, "optional", found, extras.install_command(extra))
    versions = [f"{item.name} {extras.version(item.name)}" for item in extras.requirements(extra)]
    return Finding(name, "ok", ", ".join(versions))


def _torch() -> Iterator[Finding]:
    extra = _extra("extra 'benchmark'", "benchmark", "caer-data benchmark")
    yield extra
    if extra.status != "ok":
        return
    import torch

    cuda = torch.version.cuda
    yield Finding("PyTorch", "ok", f"{torch.__version__}, {f'CUDA {cuda}' if cuda else 'CPU only'}")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield Finding("GPU", "ok", ", ".join(names))
        yield _triton()
    elif shutil.which("nvidia-smi"):
        yield Finding(
            "GPU",
            "warning",
            "an NVIDIA driver is installed, but PyTorch cannot use a GPU",
            "pip install --force-reinstall torch --index-url https://pypi.org/simple",
        )
    else:
        yield Finding("GPU", "optional", "none; everything runs on the processor")


def _triton() -> Finding:
    """Triton compiles the GPU kernels of CAER-Net; PyTorch's own operations are the alternative."""
    slower = "on this GPU, CAER-Net trains at a third to two thirds of its speed"
    if importlib.util.find_spec("triton") is None:
        return Finding("Triton", "warning", f"not installed; {slower}", "pip install triton")
    import torch

    from caer_data.benchmark import kernels

    problem = kernels.why_not(torch.device("cuda", torch.cuda.current_device()))
    if problem:
        compiler = "install a C compiler and Python's header files"
        return Finding("Triton", "warning", f"does not run ({problem}); {slower}", compiler)
    return Finding("Triton", "ok", f"{extras.version('triton')}, runs")


def _embedded_models() -> Iterator[Finding]:
    from caer_data.engine.files import sha256_of
    from caer_data.faces.models import weights

    fix = "pip install --force-reinstall --no-deps face_recognition_models==0.3.0"
    for name, expected in weights.EMBEDDED.items():
        try:
            sha256 = sha256_of(weights.embedded(name))
        except CaerError as error:
            yield Finding(name, "missing", str(error), fix)
            continue
        good = sha256 == expected
        found = f"sha256 {sha256[:12]}, {'as published' if good else 'damaged or another file'}"
        yield Finding(name, "ok" if good else "missing", found, "" if good else fix)
    try:
        found = f"sha256 {weights.centerface().sha256[:12]}, as published"
        yield Finding("CenterFace", "ok", found)
    except CaerError as error:
        damaged = weights.centerface_path() is not None
        status: Status = "missing" if damaged else "optional"
        yield Finding("CenterFace", status, str(error), weights.CENTERFACE_INSTALL)
    try:
        dlib = weights.import_dlib("the default face embedder")
        yield Finding("dlib", "ok", dlib.__version__)
    except CaerError as error:
        yield Finding("dlib", "missing", str(error), "pip install dlib-bin")


def _local_models() -> Iterator[Finding]:
    from caer_data.faces.models import weights

    given = os.environ.get(weights.FOLDER_VARIABLE)
    packs = sorted((Path.home() / ".insightface" / "models").glob("*/"))
    folders = [Path(given).expanduser()] if given else packs
    models = [(path, label) for folder in folders for path, label in weights.known_in(folder)]
    if not models:
        yield Finding(
            "InsightFace models",
            "optional",
            f"no model pack in {given}" if given else f"{weights.FOLDER_VARIABLE} is not set",
            f"unpack a pack you may use and export {weights.FOLDER_VARIABLE}=FOLDER "
            "(licence: non-commercial research only)",
        )
    for path, label in models:
        fix = "" if given else f"export {weights.FOLDER_VARIABLE}={path.parent}"
        yield Finding(label, "ok" if given else "optional", str(path), fix)


def _onnx_runtime() -> Iterator[Finding]:
    from caer_data.faces.models import onnx

    owners = [f"{name} {extras.version(name)}" for name in _owners("onnxruntime")]
    swap = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install "
    if len(owners) > 1:
        yield Finding(
            "ONNX Runtime packages",
            "warning",
            f"{' and '.join(owners)} overwrite each other, so the GPU package is not used",
            swap + _onnx_runtime_package(),
        )
    try:
        onnxruntime = onnx.import_onnxruntime()
    except CaerError as error:
        yield Finding("ONNX Runtime", "missing", str(error), swap + "onnxruntime")
        return
    yield Finding("ONNX Runtime", "ok", ", ".join(owners) or onnxruntime.__version__)
    for name in onnxruntime.get_available_providers():
        if name in onnx.WORDS:
            yield _provider(name, swap)


def _provider(name: str, swap: str) -> Finding:
    from caer_data.faces.models import onnx

    word = onnx.WORDS[name]
    label = f"  {word} provider"
    really, complaint = onnx.provider_that_runs(name)
    if really == name:
        return Finding(label, "ok", "runs")
    found = f"listed, but {onnx.WORDS.get(really, really)} runs instead"
    found += f" ({complaint})" if complaint else ""
    if word == "tensorrt":
        return Finding(label, "optional", found, "pip install tensorrt")
    return Finding(label, "warning", found, swap + _onnx_runtime_package())


def _onnx_runtime_package() -> str:
    return "'onnxruntime-gpu[cuda,cudnn]'" if shutil.which("nvidia-smi") else "onnxruntime"


def _opencv() -> Iterator[Finding]:
    owners = _owners("cv2")
    named = " and ".join(f"{name} {extras.version(name)}" for name in owners)
    fix = f"pip uninstall -y {' '.join(owners)} && pip install 'opencv-python-headless>=4.12,<5'"
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:  # OpenCV with windows needs desktop libraries
        yield Finding("OpenCV", "missing", f"does not load: {error}", fix)
        return
    if len(owners) > 1:
        yield Finding("OpenCV packages", "warning", f"{named} overwrite each other", fix)
    yield Finding("OpenCV", "ok", f"{cv2.__version__} ({named})")


def _ffmpeg() -> Iterator[Finding]:
    import imageio_ffmpeg

    fix = "pip install --force-reinstall imageio-ffmpeg"
    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        listed = _run([program, "-hide_banner", "-encoders"])
        version = _run([program, "-version"]).split()[2]
    except (RuntimeError, OSError, subprocess.SubprocessError, IndexError) as error:
        yield Finding("ffmpeg", "missing", f"does not run: {error}", fix)
        return
    encoders = {line.split()[1] for line in listed.splitlines() if len(line.split()) > 1}
    lacking = [name for name in ("libx264", "aac") if name not in encoders]
    yield Finding(
        "ffmpeg",
        "missing" if lacking else "ok",
        f"{version}, {'lacks ' + ', '.join(lacking) if lacking else 'with libx264 and aac'}"
        f" ({program})",
        fix if lacking else "",
    )


def _video_libraries() -> Iterator[Finding]:
    import av
    import scenedetect

    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    yield Finding("PyAV", "ok", f"{av.__version__} (libavcodec {codec})")
    yield Finding("PySceneDetect", "ok", scenedetect.__version__)
    yield _extra("extra 'transnet'", "transnet", "shots.detector: transnet")


def _label_studio() -> Iterator[Finding]:
    from caer_data.annotate.studio import environment

    version = environment.installed_version()
    yield Finding(
        "Label Studio",
        "ok" if version else "optional",
        f"{version} in {environment.environment()}" if version else "not installed yet",
        "" if version else "caer-data annotate serve   # installs it once, in a folder of its own",
    )


def _a_second_of_video() -> Iterator[Finding]:
    from caer_data.report import trial

    for name, act in trial.steps():
        label = f"one second of video {name}"
        try:
            yield Finding(label, "ok", act())
        except Exception as error:  # whatever the libraries raise is the finding
            reason = str(error).splitlines()[0] if str(error) else ""
            found = f"{type(error).__name__}: {reason}"
            yield Finding(label, "missing", found, _reinstall(_WHO_ACTS[name]))
            return


_WHO_ACTS: Final = {
    "decodes": ("av", "opencv-python-headless"),
    "finds faces": ("onnxruntime", "dlib-bin", "face_recognition_models"),
    "cuts": ("imageio-ffmpeg", "ffmpeg-python"),
    "plays": ("av",),
}
"""Packages that each step of the trial needs."""


def _reinstall(names: tuple[str, ...]) -> str:
    """Return the command that installs allowed versions of packages."""
    wanted = {item.name: f"'{item}'" for item in extras.requirements() if item.name in names}
    return "pip install --force-reinstall " + " ".join(wanted.get(name, name) for name in names)


_LOOKS: Final[tuple[Callable[[], Iterator[Finding]], ...]] = (
    _machine,
    _packages,
    _torch,
    _embedded_models,
    _local_models,
    _onnx_runtime,
    _opencv,
    _ffmpeg,
    _video_libraries,
    _a_second_of_video,
    _label_studio,
)


def _owners(module: str) -> list[str]:
    """Return the installed distributions that contain files of a module."""
    return sorted(set(importlib.metadata.packages_distributions().get(module, [])))


def _run(arguments: list[str]) -> str:
    done = subprocess.run(
        arguments, capture_output=True, text=True, errors="replace", timeout=30, check=True
    )
    return done.stdout
