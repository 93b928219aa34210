"""CAER-Net: face stream, context stream with attention, adaptive fusion (paper, section 3.2).

One class implements both models: CAER-Net convolves over time, height and width (clips), CAER-Net-S
over height and width (images). `docs/benchmark-models.md` explains the choices that the paper
leaves open. Symbols are the paper's: V inputs, X features, A attention, lambda fusion weights,
indices F face and C context. The shapes in comments are those of CAER-Net for 16 frames, faces of
96 x 96 and contexts of 112 x 112 pixels: (N clips, channels, time, height, width), and K classes.
CAER-Net-S has no time dimension.

The file defines the parts before the whole: block, trunk, attention, pooling, fusion, network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from caer_data.benchmark.networks.output import Output
from caer_data.benchmark.networks.pooled_norm import norm_relu_pool
from caer_data.benchmark.networks.sound import Sound
from caer_data.benchmark.recipe import Compute, Layers, ModelRecipe

WIDTHS = (32, 64, 128, 256, 256)
"""Channels of the five convolutions of a trunk (section 3.2.1)."""

HIDDEN = 128
"""Channels between the two layers of attention, of each lambda and of the classifier."""


def create(recipe: ModelRecipe, classes: int) -> CAERNet:
    """Return CAER-Net for clips or CAER-Net-S for images, with the parts enabled in the recipe."""
    return CAERNet(recipe, classes, dimensions=3 if recipe.model == "caer-net" else 2)


class Block(nn.Module):
    """Convolution of size 3, batch normalisation, ReLU and optional max-pooling.

    The convolution has no bias, because the normalisation would remove it again.
    """

    def __init__(
        self, channels: int, width: int, pool: tuple[int, ...], compute: Compute | None = None
    ) -> None:
        super().__init__()
        conv, norm = (nn.Conv3d, nn.BatchNorm3d) if len(pool) == 3 else (nn.Conv2d, nn.BatchNorm2d)
        self.conv = conv(channels, width, kernel_size=3, padding=1, bias=False)
        self.norm = norm(width)
        self.pool = pool
        self.pool_first = compute is not None and compute.pool_first
        self.pool_as_maximum = compute is not None and compute.pool_as_maximum
        self.fused = compute is not None and compute.channels_last and compute.fused_kernels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, T, H, W) to (N, width, T / pool, H / pool, W / pool)."""
        return norm_relu_pool(
            self.conv,
            self.norm,
            x,
            self.pool,
            self.pool_first,
            self.pool_as_maximum,
            self.fused,
        )


def trunk(dimensions: int, compute: Compute | None = None) -> nn.Sequential:
    """Return F(.; W_F) of Eq. 1 or F(.; W_C) of Eq. 2: five convolutions, four max-poolings.

    The first pooling keeps time, "not to merge the temporal signal too early". The fifth
    convolution has no pooling. Faces (N, 3, 16, 96, 96) become (N, 256, 2, 6, 6), and contexts
    (N, 3, 16, 112, 112) become (N, 256, 2, 7, 7).
    """
    pools = ((1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2), (1, 1, 1))
    blocks, channels = nn.Sequential(), 3
    for number, (width, pool) in enumerate(zip(WIDTHS, pools, strict=True), start=1):
        blocks.add_module(f"conv{number}", Block(channels, width, pool[-dimensions:], compute))
        channels = width
    return blocks


class Attention(nn.Module):
    """The attention inference module: two convolutions from X_C to A, one value per position."""

    def __init__(self, dimensions: int, bn_relu: bool, compute: Compute | None = None) -> None:
        super().__init__()
        conv, norm = (nn.Conv3d, nn.BatchNorm3d) if dimensions == 3 else (nn.Conv2d, nn.BatchNorm2d)
        one = (1,) * dimensions
        self.hidden = Block(WIDTHS[-1], HIDDEN, one, compute)
        self.logit = conv(HIDDEN, 1, kernel_size=3, padding=1)
        self.norm = norm(1) if bn_relu else None

    def forward(self, x: Tensor) -> Tensor:
        """Map X_C (N, 256, 2, 7, 7) to A^ of Eq. 3, (N, 1, 2, 7, 7), with sum 1 over space."""
        logit = self.logit(self.hidden(x))  # A, (N, 1, 2, 7, 7)
        if self.norm is not None:
            logit = torch.relu(self.norm(logit))
        # over space only: time is already merged by the convolutions (section 3.2.1)
        return torch.softmax(logit.flatten(-2), dim=-1).view_as(logit)  # (N, 1, 2, 49) and back


class ContextPool(nn.Module):
    """Eq. 4 and the following average pooling: X_C weighted by attention, pooled to a vector.

    Since the attention sums to 1 over the H x W positions, a mean over them divides by H x W twice.
    `sum` uses the sum instead and keeps the scale, `mean` follows the paper literally, and
    `mean-bn` adds a normalisation to it.
    """

    def __init__(self, how: str) -> None:
        super().__init__()
        self.over_space = torch.sum if how == "sum" else torch.mean
        self.norm = nn.BatchNorm1d(WIDTHS[-1]) if how == "mean-bn" else None

    def forward(self, x: Tensor, attention: Tensor) -> Tensor:
        """Map X_C (N, 256, 2, 7, 7) and A^ (N, 1, 2, 7, 7) to the context vector, (N, 256)."""
        boosted = attention * x  # Eq. 4, (N, 256, 2, 7, 7)
        pooled = self.over_space(boosted, dim=(-2, -1))  # (N, 256, 2); images: (N, 256)
        vector = pooled.mean(-1) if pooled.dim() == 3 else pooled  # (N, 256)
        return vector if self.norm is None else self.norm(vector)


class Fusion(nn.Module):
    """Adaptive fusion (section 3.2.2). A 1 x 1 convolution of a vector is a linear layer.

    A single stream is not weighted. Without `adaptive`, the vectors are concatenated unweighted,
    which is the paper's comparison. The third vector, for sound, is not in the paper; it is
    concatenated to the two weighted ones.
    """

    def __init__(self, streams: int, adaptive: bool, classes: int, layers: Layers) -> None:
        super().__init__()
        self.face_weight = _two_layers(WIDTHS[-1], 1) if adaptive else None
        self.context_weight = _two_layers(WIDTHS[-1], 1) if adaptive else None
        self.classifier = _two_layers(streams * WIDTHS[-1], classes, layers.dropout)

    def forward(self, vectors: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Map the streams' vectors, each (N, 256), to logits (N, K) and lambda (N, 2)."""
        weights = None
        if self.face_weight is not None and self.context_weight is not None:
            face, context, *heard = vectors
            scores = torch.cat([self.face_weight(face), self.context_weight(context)], dim=1)
            weights = torch.softmax(scores, dim=1)  # lambda_F + lambda_C = 1, (N, 2)
            vectors = [face * weights[:, :1], context * weights[:, 1:], *heard]
        joined = torch.cat(vectors, dim=1)  # Eq. 5, (N, 512)
        return self.classifier(joined), weights  # Eq. 6, (N, K)


class CAERNet(nn.Module):
    """The complete network, without the streams and attentions that the recipe disables."""

    def __init__(self, recipe: ModelRecipe, classes: int, dimensions: int) -> None:
        super().__init__()
        on, layers, compute = recipe.streams, recipe.layers, recipe.compute
        self.face = trunk(dimensions, compute) if on.face else None
        self.context = trunk(dimensions, compute) if on.context else None
        self.attention = (
            Attention(dimensions, layers.attention_bn_relu, compute)
            if on.context_attention
            else None
        )
        self.context_pool = ContextPool(layers.attention_pool) if on.context_attention else None
        self.sound = Sound() if on.sound else None
        streams = on.face + on.context + on.sound
        self.fusion = Fusion(streams, on.fusion_attention, classes, layers)

    def forward(
        self, face: Tensor | None, context: Tensor | None, sound: Tensor | None = None
    ) -> Output:
        """Map faces (N, 3, 16, 96, 96) and contexts (N, 3, 16, 112, 112) to logits (N, K).

        Inputs of disabled streams are ignored and may be None.
        """
        vectors, attention = [], None
        if self.face is not None:
            x = self.face(_given(face, "face"))  # Eq. 1, (N, 256, 2, 6, 6)
            vectors.append(x.flatten(2).mean(2))  # X_F, (N, 256)
        if self.context is not None:
            x = self.context(_given(context, "context"))  # Eq. 2, (N, 256, 2, 7, 7)
            if self.attention is not None and self.context_pool is not None:
                attention = self.attention(x)  # Eq. 3, (N, 1, 2, 7, 7)
                vectors.append(self.context_pool(x, attention))  # Eq. 4, (N, 256)
                attention = attention.flatten(1, -3)  # (N, 2, 7, 7); images: (N, 1, 7, 7)
            else:
                vectors.append(x.flatten(2).mean(2))  # (N, 256)
        if self.sound is not None:
            vectors.append(self.sound(_given(sound, "sound")))  # (N, 256)
        logits, weights = self.fusion(vectors)  # Eq. 5 and 6, (N, K) and (N, 2)
        return Output(logits, attention, weights)


def _two_layers(channels: int, outputs: int, dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(channels, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, outputs)
    )


def _given(x: Tensor | None, stream: str) -> Tensor:
    if x is None:
        raise ValueError(f"this CAER-Net has a {stream} stream, but was given no {stream}")
    return x
