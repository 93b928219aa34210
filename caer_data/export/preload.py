"""Loaded once by the server that worker processes are forked from."""

import cv2

import caer_data.export.media  # noqa: F401

# Parallelism is one process per clip: threads inside OpenCV would only fight over the cores.
cv2.setNumThreads(1)
