"""The training loss: cross-entropy with labels or votes, with class weights and adjustments.

Cross-entropy with the shares of votes and the Kullback-Leibler divergence from them differ by the
entropy of the votes, which is constant, so their gradients are equal. With `train.labels: votes`,
the logged loss is the divergence, whose minimum is 0.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from caer_data.benchmark.data.store import Store
from caer_data.benchmark.data.votes import distributions
from caer_data.benchmark.recipe import Train
from caer_data.engine.errors import CaerError


class Objective:
    """The loss of a batch; all data that it needs is on the device from the start.

    Attributes:
        targets: (samples of the store, K) shares of votes, or None for labels.
        weight: (K,) class weights with mean 1 over the training samples, or None.
        shift: (K,) added to the logits in training (Menon et al., ICLR 2021), or None.
        smoothing: share of the target that is distributed evenly over the classes.
    """

    def __init__(self, train: Train, store: Store | None, device: torch.device) -> None:
        """Prepare the loss.

        Args:
            train: the recipe's section.
            store: its training samples give the class frequencies, and its votes the targets;
                may be None if the recipe needs neither.
            device: device of the batches.

        Raises:
            CaerError: the recipe needs votes and the data have none, or weights or an adjustment
                need the frequency of a class without training samples.
        """
        self.smoothing = train.label_smoothing
        self.targets = self.weight = self.shift = self._entropy = None
        if train.labels == "votes":
            self.targets = _targets(store).to(device)
            logarithms = torch.xlogy(self.targets, self.targets)
            self._entropy = -logarithms.sum(1)
        if train.class_weights == "balanced":
            self.weight = (1 / (_frequency(store) * len(_frequency(store)))).to(device)
        if train.logit_adjustment:
            self.shift = (train.logit_adjustment * _frequency(store).log()).to(device)

    def __call__(self, logits: Tensor, labels: Tensor, samples: Tensor | None = None) -> Tensor:
        """Return the mean loss of (N, K) logits.

        Args:
            logits: float32.
            labels: (N,) class ids.
            samples: (N,) positions in the store; needed if the targets are votes.
        """
        if self.shift is not None:
            logits = logits + self.shift
        target, entropy = labels, None
        if self.targets is not None and self._entropy is not None and samples is not None:
            target, entropy = self.targets[samples], self._entropy[samples]
        loss = F.cross_entropy(logits, target, weight=self.weight, label_smoothing=self.smoothing)
        return loss if entropy is None else loss - entropy.mean()


def _targets(store: Store | None) -> Tensor:
    """Return the shares of votes of all samples; a sample without votes has its label."""
    samples = [] if store is None else store.samples
    classes = () if store is None else store.source.classes
    votes = distributions([s.votes for s in samples], classes)
    known = ~np.isnan(votes).any(1)
    if not known.any():
        raise CaerError(
            "train.labels: votes needs the raters' votes, and these data have none; train on a "
            "release of 'caer-data export', or set train.labels: majority"
        )
    labels = np.array([s.label for s in samples])
    votes[~known] = np.eye(len(classes))[labels[~known]]
    return torch.from_numpy(votes).float()


def _frequency(store: Store | None) -> Tensor:
    """Return the share of each class among the training samples."""
    if store is None:
        raise ValueError("class frequencies need a store")
    labels = store.labels[store.of_split("train")]
    counts = np.bincount(labels, minlength=len(store.source.classes))
    if not counts.all():
        name = store.source.classes[int(np.argmin(counts))]
        raise CaerError(
            f"{store.source.name}: no training sample of {name}, so class_weights and "
            "logit_adjustment cannot be computed; set them to none and 0"
        )
    return torch.from_numpy(counts / counts.sum()).float()
