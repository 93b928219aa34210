"""The slow imports, made once by the server that worker processes are forked from."""

import av  # noqa: F401
import cv2
import onnxruntime  # noqa: F401
import pandas as pd  # noqa: F401
import pyarrow.parquet as pq  # noqa: F401
import scenedetect  # noqa: F401
import scipy.optimize  # noqa: F401

import caer_data.curate.analyse
import caer_data.media.passages  # noqa: F401

# There is one process per video, so threads inside OpenCV would only compete for the cores.
cv2.setNumThreads(1)
