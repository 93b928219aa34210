"""Active speaker detection: whether a face speaks, by its mouth's motion or by a user's network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error
from caer_data.faces.mouths import SIDE
from caer_data.media.mel import COEFFICIENTS, PER_SECOND, mfcc

TICKS: Final = 25
"""Pictures of a face per second."""
ROWS: Final = PER_SECOND // TICKS
"""Rows of sound features per picture."""
_INPUTS: Final = ("audio", "video")

# rows and columns of the mouth in the picture
_MOUTH: Final = (slice(44, 84), slice(28, 84))
_STILL: Final = 1.0  # mean change of a pixel, out of 256, caused by compression
_CALM: Final = 0.35  # logarithm of a calm face's ratio of mouth motion to other motion


class Speaking(Protocol):
    """Scores whether a face speaks: if the score is above 0, it does."""

    @property
    def name(self) -> str:
        """Name of the method, with a part of the file's hash."""

    def score(
        self, mouths: npt.NDArray[np.uint8], sound: npt.NDArray[np.int16]
    ) -> npt.NDArray[np.float32]:
        """Return the scores of a face over some time.

        Args:
            mouths: the lower face at every tick, shape (ticks, 112, 112).
            sound: the sound of the same time, mono, 16 kHz.

        Returns:
            Scores, shape (ticks,).
        """


class Motion:
    """Compares the motion of the mouth with that of the rest of the face, without using sound.

    It distinguishes most calm faces from one that talks, but not a mouth that chews or smiles.
    """

    name = "motion"

    def score(
        self, mouths: npt.NDArray[np.uint8], sound: npt.NDArray[np.int16]
    ) -> npt.NDArray[np.float32]:
        """See `Speaking`."""
        if len(mouths) < 2:
            return np.full(len(mouths), -1, np.float32)
        change = np.abs(np.diff(mouths.astype(np.float32), axis=0))
        inside = change[:, *_MOUTH].mean(axis=(1, 2))
        share = inside.size and change[0][_MOUTH].size / change[0].size
        around = (change.mean(axis=(1, 2)) - share * inside) / (1 - share)
        score = np.log((inside + _STILL) / (around + _STILL)) - _CALM
        return np.concatenate([score[:1], score]).astype(np.float32)


@dataclass
class Network:
    """A network from an ONNX file with the signature of LR-ASD.

    Its inputs are `audio` (1, 4 n, 13) and `video` (1, n, 112, 112), grey 0 to 255, both float. Its
    output has n numbers, which are above 0 if the face speaks.
    """

    name: str
    session: Any

    def score(
        self, mouths: npt.NDArray[np.uint8], sound: npt.NDArray[np.int16]
    ) -> npt.NDArray[np.float32]:
        """See `Speaking`."""
        if not len(mouths):
            return np.zeros(0, np.float32)
        rows = np.zeros((ROWS * len(mouths), COEFFICIENTS), np.float32)
        heard = mfcc(sound)[: len(rows)]
        rows[: len(heard)] = heard
        given = {"audio": rows[None], "video": mouths.astype(np.float32)[None]}
        (found,) = self.session.run(None, given)
        scores = np.asarray(found, np.float32).reshape(-1)
        if len(scores) != len(mouths):
            raise CaerError(
                f"speech.speaker_model: returns {len(scores)} numbers for {len(mouths)} pictures; "
                "export it as described in docs/speakers.md"
            )
        return scores


def check(speaker: str, model: str | None) -> str:
    """Check that the requested method of speaker detection is available.

    Args:
        speaker: the recipe's value of `speech.speaker`.
        model: path of the ONNX file.

    Returns:
        The file's SHA-256; an empty text if no file is needed.

    Raises:
        CaerError: the file is missing or has the wrong inputs or outputs.
    """
    if speaker != "lr-asd":
        return ""
    data = _read(model)
    _session(data, str(model))
    return hashlib.sha256(data).hexdigest()


def load(speaker: str, model: str | None) -> Speaking:
    """Return the loaded method that a recipe names; for arguments and errors see `check`."""
    if speaker == "motion":
        return Motion()
    data = _read(model)
    return Network(f"lr-asd {hashlib.sha256(data).hexdigest()[:12]}", _session(data, str(model)))


def _read(model: str | None) -> bytes:
    if not model:
        raise CaerError(
            "speech.speaker: 'lr-asd' needs speech.speaker_model, the path of an ONNX file; "
            "docs/speakers.md describes how to create it"
        )
    path = Path(model).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error


def _session(data: bytes, name: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = (
        1  # for equal results on all machines
    )
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's errors have no common class
        raise CaerError(f"{name}: ONNX Runtime cannot load this model") from error
    shapes = {one.name: one.shape for one in session.get_inputs()}
    fits = set(shapes) == set(_INPUTS) and len(session.get_outputs()) == 1
    if not fits or shapes["audio"][2:] != [COEFFICIENTS] or shapes["video"][2:] != [SIDE, SIDE]:
        raise CaerError(
            f"{name}: is not a speaker detection model: it must take 'audio' (1, 4 n, 13) and "
            "'video' (1, n, 112, 112), and return n numbers"
        )
    return session
