"""Layers in plain float64 NumPy, written from their definitions, to hold the torch models to.

Arrays are (N, C, *space) with two or three dimensions of space. Gradients come from central
differences of these functions, so they share no code and no algebra with autograd.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np


def convolve(x, weight, bias, stride=1, padding=1):
    """Cross-correlation: sum over input channels and the taps of the kernel, plus bias."""
    taps = weight.shape[2:]
    x = np.pad(x, [(0, 0), (0, 0), *[(padding, padding)] * len(taps)])
    sizes = [(s - t) // stride + 1 for s, t in zip(x.shape[2:], taps, strict=True)]
    out = np.zeros((len(x), len(weight), *sizes))
    for tap in itertools.product(*map(range, taps)):
        window = tuple(slice(t, t + stride * n, stride) for t, n in zip(tap, sizes, strict=True))
        out += np.einsum("nc...,oc->no...", x[:, :, *window], weight[:, :, *tap], optimize=True)
    return out if bias is None else out + _wide(bias, out)


def normalise(x, gamma, beta, mean=None, variance=None, eps=1e-5):
    """Batch normalisation: by the batch's own mean and (biased) variance, or by those given."""
    others = tuple(d for d in range(x.ndim) if d != 1)
    mean = x.mean(others) if mean is None else mean
    variance = x.var(others) if variance is None else variance
    return _wide(gamma, x) * (x - _wide(mean, x)) / np.sqrt(_wide(variance, x) + eps) + _wide(
        beta, x
    )


def relu(x):
    return np.where(x > 0, x, 0)


def max_pool(x, size, stride=None, padding=None):
    """Largest value of each window; what does not fill a window is left out."""
    stride, padding = stride or size, padding or [0] * len(size)
    x = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]], constant_values=-np.inf)
    shape = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], size, stride, strict=True)]
    views = [
        x[:, :, *(slice(t, t + s * n, s) for t, s, n in zip(tap, stride, shape, strict=True))]
        for tap in itertools.product(*map(range, size))
    ]
    return np.max(views, axis=0)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def linear(x, weight, bias):
    return x @ weight.T + bias


def cross_entropy(logits, labels):
    below = logits - logits.max(1, keepdims=True)
    chosen = below[np.arange(len(labels)), labels]
    return (np.log(np.exp(below).sum(1)) - chosen).mean()


def slope(function: Callable[[np.ndarray], float], at: np.ndarray, along: np.ndarray) -> float:
    """Derivative of a number along a direction; the step is small to stay clear of kinks."""
    h = 1e-7
    return (function(at + h * along) - function(at - h * along)) / (2 * h)


def _wide(v, x):
    return np.reshape(v, (1, -1, *[1] * (x.ndim - 2)))
