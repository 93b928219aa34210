"""Baselines: published layer names and shapes, arithmetic against NumPy, weight files."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy_layers as ref
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from caer_data.benchmark.networks import alexnet, architecture, c3d, create, resnet, vgg
from caer_data.benchmark.recipe import load, vary
from caer_data.engine.errors import CaerError

SMALL = {"baseline": {"width": 5, "dropout": 0.0}}


def recipe_of(name, **baseline):
    return vary(vary(load(name), SMALL), {"baseline": baseline})


# ---- published names -------------------------------------------------------------------------


def features_of(name, **baseline):
    """Keys and shapes of everything below the classifier."""
    with torch.device("meta"):
        model = architecture(recipe_of(name, **baseline))
    return {k: tuple(v.shape) for k, v in model.state_dict().items() if not k.startswith("head.")}


def with_norm(name, width):
    return {
        f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")
    } | {f"{name}.num_batches_tracked": ()}


def test_alexnet_has_torchvisions_keys():
    widths = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3)}
    widths |= {8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    expected = {f"features.{i}.weight": shape for i, shape in widths.items()}
    expected |= {f"features.{i}.bias": shape[:1] for i, shape in widths.items()}
    assert features_of("alexnet") == expected


@pytest.mark.parametrize(
    ("variant", "places"),
    [
        ("16", (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
        ("16_bn", (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)),
    ],
)
def test_vgg_has_torchvisions_keys(variant, places):
    widths = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    expected = {}
    for i, a, b in zip(places, widths, widths[1:], strict=False):
        expected |= {f"features.{i}.weight": (b, a, 3, 3), f"features.{i}.bias": (b,)}
        if variant == "16_bn":
            expected |= with_norm(f"features.{i + 1}", b)
    assert features_of("vgg", variant=variant) == expected


@pytest.mark.parametrize(("variant", "keys"), [("18", 122), ("50", 320)])
def test_resnet_has_torchvisions_keys(variant, keys):
    """All keys of resnet18 (122) and resnet50 (320) but fc.weight and fc.bias."""
    expected = {"conv1.weight": (64, 3, 7, 7)} | with_norm("bn1", 64)
    channels = 64
    for layer, depth in enumerate({"18": (2, 2, 2, 2), "50": (3, 4, 6, 3)}[variant], start=1):
        width = 64 * 2 ** (layer - 1)
        for unit in range(depth):
            if variant == "18":
                shapes, out = [(width, channels, 3, 3), (width, width, 3, 3)], width
            else:
                out = 4 * width
                shapes = [(width, channels, 1, 1), (width, width, 3, 3), (out, width, 1, 1)]
            name = f"layer{layer}.{unit}"
            for number, shape in enumerate(shapes, start=1):
                expected[f"{name}.conv{number}.weight"] = shape
                expected |= with_norm(f"{name}.bn{number}", shape[0])
            if unit == 0 and (channels != out or layer > 1):
                expected[f"{name}.downsample.0.weight"] = (out, channels, 1, 1)
                expected |= with_norm(f"{name}.downsample.1", out)
            channels = out
    found = features_of("resnet", variant=variant)
    assert found == expected
    assert len(found) == keys - 2


def test_c3d_has_the_common_keys():
    widths = {"1": (3, 64), "2": (64, 128), "3a": (128, 256), "3b": (256, 256), "4a": (256, 512)}
    widths |= dict.fromkeys(("4b", "5a", "5b"), (512, 512))
    expected = {f"conv{n}.weight": (b, a, 3, 3, 3) for n, (a, b) in widths.items()}
    expected |= {f"conv{n}.bias": (b,) for n, (_, b) in widths.items()}
    assert features_of("c3d") == expected


C3D_FILES = {  # the first and the last convolution, as the files name them
    "c3d.pickle": ("conv1", "conv5b"),
    "c3d-pretrained.pth": ("features.0", "features.18"),
    "mmaction2": ("conv1a.conv", "conv5b.conv"),
}


@pytest.mark.parametrize("file", C3D_FILES)
def test_all_published_conversions_of_sports_1m_load(narrow, tmp_path, file):
    torch.manual_seed(2)
    ours = architecture(recipe_of("c3d")).state_dict()
    layers = [key.removesuffix(".weight") for key in ours if key.endswith("weight")][:8]
    names = dict(zip(C3D_FILES, c3d.PUBLISHED_NAMES, strict=True))[file]
    assert (names[0], names[-1]) == C3D_FILES[file]
    state = {"fc6.weight": torch.zeros(1), "fc6.bias": torch.zeros(1)}
    for theirs, layer in zip(names, layers, strict=True):
        state[f"{theirs}.weight"] = torch.randn_like(ours[f"{layer}.weight"])
        state[f"{theirs}.bias"] = torch.randn_like(ours[f"{layer}.bias"])
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    loaded = create(recipe_of("c3d", weights=str(path))).state_dict()
    for theirs, layer in zip(names, layers, strict=True):
        for kind in ("weight", "bias"):
            assert torch.equal(loaded[f"{layer}.{kind}"], state[f"{theirs}.{kind}"]), theirs


# ---- arithmetic ------------------------------------------------------------------------------


@pytest.fixture
def narrow(monkeypatch):
    """Few channels and double precision: the layers are the same, the arithmetic is quick."""
    monkeypatch.setattr(alexnet, "WIDTHS", (2, 3, 4, 3, 2))
    monkeypatch.setattr(vgg, "STAGES", ((2, 2), (3, 3), (3, 2, 3), (3, 3, 2), (2, 3, 2)))
    monkeypatch.setattr(resnet, "WIDTH", 2)
    monkeypatch.setattr(c3d, "WIDTHS", (2, 3, 3, 4, 2))
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def randomise(module: nn.Module) -> nn.Module:
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.randn_like(value) * 0.3)
        if name.endswith("running_var"):
            value.copy_(torch.rand_like(value) + 0.5)
    return module


def even_mean(x, size):
    """Adaptive average pooling where the size divides the output or equals the input."""
    for axis, n in zip(range(2, x.ndim), size, strict=True):
        if x.shape[axis] < n:
            x = np.repeat(x, n // x.shape[axis], axis)
        assert x.shape[axis] == n
    return x


class Reference:
    def __init__(self, arrays, training):
        self.w, self.training = arrays, training

    def conv(self, x, name, stride=1, padding=1):
        return ref.convolve(
            x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"), stride, padding
        )

    def norm(self, x, name):
        given = (self.w[f"{name}.running_mean"], self.w[f"{name}.running_var"])
        return ref.normalise(
            x,
            self.w[f"{name}.weight"],
            self.w[f"{name}.bias"],
            *((None, None) if self.training else given),
        )

    def head(self, x):
        y = ref.relu(
            ref.linear(x.reshape(len(x), -1), self.w["head.0.weight"], self.w["head.0.bias"])
        )
        return ref.linear(y, self.w["head.3.weight"], self.w["head.3.bias"])

    def alexnet(self, x):
        for place, stride, padding, pool in (
            (0, 4, 2, 1),
            (3, 1, 2, 1),
            (6, 1, 1, 0),
            (8, 1, 1, 0),
            (10, 1, 1, 1),
        ):
            x = ref.relu(self.conv(x, f"features.{place}", stride, padding))
            x = ref.max_pool(x, (3, 3), (2, 2)) if pool else x
        return self.head(even_mean(x, (6, 6)))

    def vgg(self, x):
        place = 0
        bn = any("running_mean" in name for name in self.w)
        for stage in vgg.STAGES:
            for _ in stage:
                x = self.conv(x, f"features.{place}")
                x = ref.relu(self.norm(x, f"features.{place + 1}") if bn else x)
                place += 3 if bn else 2
            x, place = ref.max_pool(x, (2, 2)), place + 1
        return self.head(even_mean(x, (7, 7)))

    def unit(self, x, name, stride):
        bottleneck = f"{name}conv3.weight" in self.w
        y = self.conv(x, f"{name}conv1", *((1, 0) if bottleneck else (stride, 1)))
        y = ref.relu(self.norm(y, f"{name}bn1"))
        y = self.norm(self.conv(y, f"{name}conv2", stride if bottleneck else 1), f"{name}bn2")
        if bottleneck:
            y = self.norm(self.conv(ref.relu(y), f"{name}conv3", 1, 0), f"{name}bn3")
        if f"{name}downsample.0.weight" in self.w:
            x = self.norm(self.conv(x, f"{name}downsample.0", stride, 0), f"{name}downsample.1")
        return ref.relu(y + x)

    def resnet(self, x):
        x = ref.relu(self.norm(self.conv(x, "conv1", 2, 3), "bn1"))
        x = ref.max_pool(x, (3, 3), (2, 2), (1, 1))
        for layer in range(1, 5):
            unit = 0
            while f"layer{layer}.{unit}.conv1.weight" in self.w:
                x = self.unit(x, f"layer{layer}.{unit}.", 2 if layer > 1 and unit == 0 else 1)
                unit += 1
        return self.head(x.mean((2, 3)))

    def c3d(self, x):
        for layer, pool in (
            ("1", (1, 2, 2)),
            ("2", 2),
            ("3a", 0),
            ("3b", 2),
            ("4a", 0),
            ("4b", 2),
            ("5a", 0),
        ):
            x = ref.relu(self.conv(x, f"conv{layer}"))
            x = ref.max_pool(x, pool if isinstance(pool, tuple) else (pool,) * 3) if pool else x
        x = ref.relu(self.conv(x, "conv5b"))
        return self.head(even_mean(ref.max_pool(x, (2, 2, 2), padding=(0, 1, 1)), (1, 4, 4)))


def check(module, x, function, labels):
    """Logits, and the loss's slopes for every parameter and the input."""
    x.requires_grad_()
    arrays = {n: v.numpy().copy() for n, v in module.state_dict().items()} | {
        "x": x.detach().numpy()
    }
    out = module(None, x).logits if labels else module(x)
    weighing = np.random.default_rng(1).standard_normal(out.shape)

    def number(a):
        y = function(a)
        return ref.cross_entropy(y, labels) if labels else (y * weighing).sum()

    np.testing.assert_allclose(out.detach(), function(arrays), rtol=1e-8, atol=1e-10)
    loss = (
        nn.functional.cross_entropy(out, torch.tensor(labels))
        if labels
        else (out * torch.from_numpy(weighing)).sum()
    )
    loss.backward()
    random = np.random.default_rng(0)
    for name, tensor in [*module.named_parameters(), ("x", x)]:
        along = random.standard_normal(tensor.shape)
        along *= 0.1 / np.abs(along).max()
        expected = ref.slope(lambda v, n=name: number(arrays | {n: v}), arrays[name], along)
        actual = float((tensor.grad.numpy() * along).sum())
        assert actual == pytest.approx(expected, rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize(
    ("name", "variant", "size"),
    [
        ("alexnet", "", (224, 224)),
        ("vgg", "16", (32, 32)),
        ("vgg", "16_bn", (32, 32)),
        ("resnet", "18", (64, 64)),
        ("c3d", "", (16, 112, 112)),
    ],
    ids=["alexnet", "vgg16", "vgg16_bn", "resnet18", "c3d"],
)
def test_baseline_equals_numpy(narrow, name, variant, size):
    recipe = recipe_of(name, variant=variant)
    module = randomise(architecture(recipe, classes=4)).train()
    check(
        module,
        torch.randn(2, 3, *size),
        lambda a: getattr(Reference(a, True), name)(a["x"]),
        labels=[3, 0],
    )


def test_resnet50_equals_numpy_in_evaluation(narrow):
    module = randomise(architecture(recipe_of("resnet", variant="50"), classes=4)).eval()
    x = torch.randn(1, 3, 64, 64)
    arrays = {n: v.numpy().copy() for n, v in module.state_dict().items()}
    expected = Reference(arrays, False).resnet(x.numpy())
    np.testing.assert_allclose(module(None, x).logits.detach(), expected, rtol=1e-7)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [3, 12])
@pytest.mark.parametrize("kind", [resnet.Basic, resnet.Bottleneck], ids=["basic", "bottleneck"])
def test_residual_unit_equals_numpy(narrow, kind, channels, stride):
    module = randomise(kind(channels, 3, stride)).train()
    check(
        module,
        torch.randn(2, channels, 6, 5),
        lambda a: Reference(a, True).unit(a["x"], "", stride),
        labels=None,
    )


# ---- inputs and weight files -----------------------------------------------------------------


def test_a_baseline_reads_the_face_if_the_recipe_says_so():
    recipe = recipe_of("alexnet", input="face")
    assert (recipe.sees_face, recipe.sees_context) == (True, False)
    model = architecture(recipe).eval()
    x = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(
        model(x, None).logits, architecture_with(model, "alexnet")(None, x).logits
    )
    with pytest.raises(ValueError, match="uses the face, but was given none"):
        model(None, x)


def architecture_with(model, name, **baseline):
    other = architecture(recipe_of(name, **baseline)).eval()
    other.load_state_dict(model.state_dict())
    return other


@pytest.fixture
def published():
    """A state dict as published for resnet18: with a classifier of 1000 classes."""
    torch.manual_seed(1)
    model = architecture(recipe_of("resnet", variant="18"))
    state = {k: torch.rand_like(v.float()) for k, v in model.state_dict().items()}
    state = {k: v for k, v in state.items() if not k.startswith("head.")}
    return state | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize(
    "suffix", [".pth", ".safetensors", ".nested.pth", ".old.pth", ".older.pth"]
)
def test_published_weights_load(tmp_path, published, suffix):
    path = tmp_path / f"resnet18{suffix}"
    if suffix == ".safetensors":
        save_file(published, path)
    elif suffix == ".nested.pth":
        torch.save({"state_dict": published, "epoch": 90}, path)
    elif suffix == ".old.pth":  # before torch counted batches
        torch.save({k: v for k, v in published.items() if "num_batches" not in k}, path)
    elif suffix == ".older.pth":  # as the oldest of torchvision's files: no zip, parameters
        state = OrderedDict((k, nn.Parameter(v, requires_grad=False)) for k, v in published.items())
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(published, path)
    model = create(recipe_of("resnet", variant="18", weights=str(path)))
    for key, value in model.state_dict().items():
        if not key.startswith("head.") and "num_batches" not in key:
            assert torch.equal(value, published[key]), key


class Evil:
    def __reduce__(self):
        return (print, ("unpickled!",))


def test_a_pickle_is_not_unpickled(tmp_path, capsys):
    path = tmp_path / "evil.pth"
    torch.save({"conv1.weight": Evil()}, path)
    with pytest.raises(CaerError, match=r"evil.pth: cannot be read as plain weights"):
        create(recipe_of("resnet", variant="18", weights=str(path)))
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such weight file"),
        (b"nonsense", "cannot be read as plain weights"),
        ([1, 2], "holds no state dict"),
        ({"conv9.weight": torch.zeros(1)}, "the layer conv1.weight is not in it .*another model"),
        ("wide", r"conv1.weight has shape \(8, 3, 7, 7\), the model's is \(64, 3, 7, 7\)"),
    ],
    ids=["absent", "nonsense", "list", "other-model", "other-shape"],
)
def test_unusable_weight_files(tmp_path, published, content, message):
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "wide":
        torch.save(published | {"conv1.weight": torch.zeros(8, 3, 7, 7)}, path)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(CaerError, match=message):
        create(recipe_of("resnet", variant="18", weights=str(path)))


def test_frozen_features_need_weights():
    with pytest.raises(CaerError, match="vgg: frozen features need trained weights"):
        create(recipe_of("vgg", frozen=True))


def test_frozen_features_stay_as_they_are(tmp_path, published):
    path = tmp_path / "resnet18.pth"
    torch.save(published, path)
    model = create(recipe_of("resnet", variant="18", weights=str(path), frozen=True)).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=1.0)
    model(None, torch.randn(4, 3, 64, 64)).logits.square().sum().backward()
    optimizer.step()
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"head.0.weight", "head.0.bias", "head.3.weight", "head.3.bias"}


def test_sports_1m_weights_see_what_they_were_trained_with(tmp_path):
    """Blue, green, red in 0..255 less the mean, from our red, green, blue, normalised."""
    state = {
        k: torch.randn_like(v) * 0.05
        for k, v in architecture(recipe_of("c3d")).state_dict().items()
        if not k.startswith("head.")
    }
    path = tmp_path / "c3d.safetensors"
    save_file(state, path)
    recipe = recipe_of("c3d", weights=str(path))
    model = create(recipe).eval()
    clip = torch.randint(0, 256, (1, 3, 16, 32, 32)).float()  # red, green, blue
    mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (recipe.input.mean, recipe.input.std))
    theirs = (clip - torch.tensor([102.0, 98.0, 90.0]).view(3, 1, 1, 1)).flip(1)
    plain = architecture_with(model, "c3d", weights_input="normalised")
    torch.testing.assert_close(
        model(None, (clip / 255 - mean) / std).logits,
        plain(None, theirs).logits,
        rtol=1e-3,
        atol=1e-3,
    )
