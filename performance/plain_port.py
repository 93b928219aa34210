"""CAER-Net and CAER-Net-S as commonly ported: plain modules, files decoded one by one, fp32.

The peer that `train.py` measures against. It is written from the paper's description in the usual
way of published training scripts: a Dataset that opens a clip for every sample with OpenCV and
transforms each frame on the CPU, a DataLoader with worker processes, an eager fp32 loop that reads
the loss in every step. For CAER-Net-S a sample is one picture.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


class Clips(Dataset):
    """One random window of a clip at 10 frames per second, or one picture: face, context, label."""

    def __init__(self, files, boxes, labels, face, frame, crop, frames, times):
        self.files, self.boxes, self.labels = files, boxes, labels
        self.face, self.frame, self.crop, self.frames = face, frame, crop, frames
        self.times = times

    def __len__(self):
        return len(self.files) * self.times

    def __getitem__(self, index):
        index %= len(self.files)
        pictures, fps = self.decode(self.files[index])
        wanted = [round(i * fps / 10) for i in range(int(len(pictures) / fps * 10))]
        start = np.random.randint(0, max(len(wanted) - self.frames, 0) + 1)
        wanted = wanted[start : start + self.frames]
        wanted += wanted[-1:] * (self.frames - len(wanted))
        flip, contrast = np.random.rand() < 0.5, np.random.uniform(0.8, 1.2)
        color = np.random.uniform(0.9, 1.1, 3).astype(np.float32)
        top = np.random.randint(0, self.frame[0] - self.crop[0] + 1)
        left = np.random.randint(0, self.frame[1] - self.crop[1] + 1)
        faces, contexts = [], []
        for number in wanted:
            picture = pictures[min(number, len(pictures) - 1)]
            x1, y1, x2, y2 = map(int, self.boxes[index])
            faces.append(cv2.resize(picture[y1:y2, x1:x2], self.face[::-1]))
            hidden = picture.copy()
            hidden[y1:y2, x1:x2] = 0
            hidden = cv2.resize(hidden, self.frame[::-1])
            contexts.append(hidden[top : top + self.crop[0], left : left + self.crop[1]])
        pair = [np.stack(x).astype(np.float32) / 255 for x in (faces, contexts)]
        pair = [((x - 0.5) * contrast + 0.5) * color for x in pair]
        pair = [(x - MEAN) / STD for x in pair]
        pair = [x[:, :, ::-1] if flip else x for x in pair]
        tensors = [torch.from_numpy(x.transpose(3, 0, 1, 2).copy()) for x in pair]
        tensors = tensors if self.frames > 1 else [x[:, 0] for x in tensors]
        return *tensors, self.labels[index]

    def decode(self, path):
        if self.frames == 1:
            return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)], 10
        capture = cv2.VideoCapture(str(path))
        fps = capture.get(cv2.CAP_PROP_FPS)
        pictures = []
        while True:
            ok, picture = capture.read()
            if not ok:
                break
            pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        capture.release()
        return pictures, fps


LAYERS = {
    2: (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d),
    3: (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d),
}


def encoder(dimensions):
    conv, norm, pool = LAYERS[dimensions]
    layers, channels = [], 3
    for i, width in enumerate((32, 64, 128, 256, 256)):
        layers += [conv(channels, width, 3, padding=1), norm(width), nn.ReLU()]
        if i < 4:
            layers.append(pool((1, 2, 2) if i == 0 and dimensions == 3 else 2))
        channels = width
    return nn.Sequential(*layers)


def perceptron(a, b, c, dropout=0.0):
    return nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout(dropout), nn.Linear(b, c))


class PlainCAERNet(nn.Module):
    def __init__(self, dimensions, classes=7):
        super().__init__()
        conv, norm, _ = LAYERS[dimensions]
        self.face, self.context = encoder(dimensions), encoder(dimensions)
        self.attention = nn.Sequential(
            conv(256, 128, 3, padding=1),
            norm(128),
            nn.ReLU(),
            conv(128, 1, 3, padding=1),
            norm(1),
            nn.ReLU(),
        )
        self.face_weight, self.context_weight = perceptron(256, 128, 1), perceptron(256, 128, 1)
        self.classifier = perceptron(512, 128, classes, 0.5)

    def forward(self, face, context):
        face = self.face(face).flatten(2).mean(2)
        context = self.context(context)
        mask = self.attention(context)
        mask = mask.flatten(-2).softmax(-1).view(mask.shape)
        context = (context * mask).sum((-2, -1))
        context = context.mean(2) if context.dim() == 3 else context
        weights = torch.cat([self.face_weight(face), self.context_weight(context)], 1).softmax(1)
        return self.classifier(torch.cat([face * weights[:, :1], context * weights[:, 1:]], 1))


def training_steps(clips: Clips, batch_size: int, workers: int, device: torch.device):
    """Yield after every training step; the caller keeps the time."""
    loader = DataLoader(
        clips,
        batch_size,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        pin_memory=device.type == "cuda",
    )
    model = PlainCAERNet(3 if clips.frames > 1 else 2).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=5e-3, momentum=0.9)
    for face, context, labels in loader:
        logits = model(face.to(device), context.to(device))
        loss = functional.cross_entropy(logits, labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def forward_samples(batch_size: int, shapes: list[tuple[int, ...]], device: torch.device):
    """A model in evaluation and a batch for it."""
    model = PlainCAERNet(len(shapes[0]) - 1).to(device).eval()
    return model, [torch.randn(batch_size, *shape, device=device) for shape in shapes]


def write_clips(folder: Path, count: int, frames: int = 75) -> tuple[list[Path], np.ndarray]:
    """Made-up clips of 712 x 400 pixels, 25 frames per second, H.264, and a box in each."""
    import av

    files, generator = [], np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number:04d}.mp4"
        coarse = generator.integers(0, 256, (frames // 5 + 2, 10, 18, 3), np.uint8)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = 712, 400, "yuv420p"
            for i in range(frames):
                near, far = coarse[i // 5].astype(float), coarse[i // 5 + 1]
                small = (near + (far - near) * (i % 5) / 5).astype(np.uint8)
                picture = cv2.resize(small, (712, 400), interpolation=cv2.INTER_CUBIC)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        files.append(path)
    return files, made_up_boxes(generator, count)


def write_pictures(folder: Path, count: int) -> tuple[list[Path], np.ndarray]:
    """Made-up pictures of 712 x 400 pixels, PNG as CAER-S has them, and a box in each."""
    files, generator = [], np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number:04d}.png"
        coarse = generator.integers(0, 256, (10, 18, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (712, 400), interpolation=cv2.INTER_CUBIC))
        files.append(path)
    return files, made_up_boxes(generator, count)


def made_up_boxes(generator: np.random.Generator, count: int) -> np.ndarray:
    corners = generator.integers(0, (712 - 180, 400 - 200), (count, 2))
    return np.concatenate([corners, corners + np.array([160, 190])], axis=1).astype(np.float32)
