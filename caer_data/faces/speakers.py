"""Whether a face speaks, tick by tick: by its mouth's motion, or by a network of the user's."""

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
"""Rows of sound beside each of them."""
_INPUTS: Final = ("audio", "video")

# where the mouth is in the picture, and what is beside it
_MOUTH: Final = (slice(44, 84), slice(28, 84))
_STILL: Final = 1.0  # mean change of a pixel, of 256, that compression makes
_CALM: Final = 0.35  # logarithm of how much more the mouth of a calm face changes than the rest


class Speaking(Protocol):
    """Scores how likely a face speaks: above 0 it does."""

    @property
    def name(self) -> str:
        """Word for it, with a part of the file's hash."""

    def score(
        self, mouths: npt.NDArray[np.uint8], sound: npt.NDArray[np.int16]
    ) -> npt.NDArray[np.float32]:
        """Score some seconds of one face.

        Args:
            mouths: the lower face at every tick, shape (ticks, 112, 112).
            sound: the same while, mono, 16 kHz.

        Returns:
            Shape (ticks,).
        """


class Motion:
    """The mouth's motion against that of the face around it; it does not listen.

    Right for most calm faces beside one that talks, and of no use against lips that chew or smile.
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
    """An ONNX file with the signature of LR-ASD.

    Inputs `audio` (1, 4 n, 13) and `video` (1, n, 112, 112), grey 0 to 255, both float; one output
    with n numbers, above 0 if the face speaks.
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
                f"speech.speaker_model: gives {len(scores)} numbers for {len(mouths)} pictures; "
                "export it as docs/speakers.md says"
            )
        return scores


def check(speaker: str, model: str | None) -> str:
    """Check that the requested detector of speakers is available.

    Args:
        speaker: the recipe's word.
        model: path of the ONNX file.

    Returns:
        The file's SHA-256; empty if none is needed.

    Raises:
        CaerError: the file is missing, or does not fit.
    """
    if speaker != "lr-asd":
        return ""
    data = _read(model)
    _session(data, str(model))
    return hashlib.sha256(data).hexdigest()


def load(speaker: str, model: str | None) -> Speaking:
    """Load what a recipe chooses; arguments and errors as in `check`."""
    if speaker == "motion":
        return Motion()
    data = _read(model)
    return Network(f"lr-asd {hashlib.sha256(data).hexdigest()[:12]}", _session(data, str(model)))


def _read(model: str | None) -> bytes:
    if not model:
        raise CaerError(
            "speech.speaker: 'lr-asd' needs speech.speaker_model, the path of an ONNX file; "
            "docs/speakers.md says how to make it"
        )
    path = Path(model).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error


def _session(data: bytes, name: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the same bytes everywhere
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's errors share no class of their own
        raise CaerError(f"{name}: ONNX Runtime cannot load this model") from error
    shapes = {one.name: one.shape for one in session.get_inputs()}
    fits = set(shapes) == set(_INPUTS) and len(session.get_outputs()) == 1
    if not fits or shapes["audio"][2:] != [COEFFICIENTS] or shapes["video"][2:] != [SIDE, SIDE]:
        raise CaerError(
            f"{name}: is not a model of who speaks: it must take 'audio' (1, 4 n, 13) and 'video' "
            "(1, n, 112, 112), and give n numbers"
        )
    return session
