"""CAER-Net against its equations, written again in float64 NumPy."""

from __future__ import annotations

import numpy as np
import numpy_layers as ref
import pytest
import torch
from torch import nn

from caer_data.benchmark.networks import architecture, caer_net, pooled_norm
from caer_data.benchmark.networks.pooled_norm import norm_relu_pool
from caer_data.benchmark.recipe import Compute, Layers, ModelRecipe, load, vary

OFF = {"face": False, "context": False, "context_attention": False, "fusion_attention": False}
ROWS = {
    "F": {**OFF, "face": True},
    "C": {**OFF, "context": True},
    "C+cA": {**OFF, "context": True, "context_attention": True},
    "F+C": {**OFF, "face": True, "context": True},
    "F+C+cA": {"fusion_attention": False},
    "F+C+fA": {"context_attention": False},
    "F+C+cA+fA": {},
}


@pytest.fixture(autouse=True)
def _narrow_and_exact(monkeypatch):
    """Few channels and double precision: the equations are the same, the arithmetic is quick."""
    monkeypatch.setattr(caer_net, "WIDTHS", (2, 3, 3, 4, 4))
    monkeypatch.setattr(caer_net, "HIDDEN", 3)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def recipe_of(model="caer-net", **changes):
    small = {"layers": {"dropout": 0.0}}
    return vary(vary(load(model), small), changes)


def randomise(module: nn.Module) -> nn.Module:
    """Parameters and running statistics with no special values; some scales are negative."""
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.randn_like(value) * 0.5)
        if name.endswith("running_var"):
            value.copy_(torch.rand_like(value) + 0.5)
    return module


def arrays_of(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


class Reference:
    """Every part of CAER-Net as a function of a dictionary of arrays, named as in torch."""

    def __init__(self, arrays, training):
        self.w, self.training = arrays, training

    def norm(self, x, name):
        mean, variance = self.w[f"{name}.running_mean"], self.w[f"{name}.running_var"]
        given = (None, None) if self.training else (mean, variance)
        return ref.normalise(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"], *given)

    def block(self, x, name, pool):
        weight = self.w[f"{name}conv.weight"]
        y = ref.convolve(x, weight, np.zeros(len(weight)))
        return ref.max_pool(ref.relu(self.norm(y, f"{name}norm")), pool)

    def trunk(self, x, name):
        d = x.ndim - 2
        for number in range(1, 6):
            pool = {1: (1, 2, 2), 5: (1, 1, 1)}.get(number, (2, 2, 2))[-d:]
            x = self.block(x, f"{name}conv{number}.", pool)
        return x

    def attention(self, x, name=""):
        y = self.block(x, f"{name}hidden.", (1,) * (x.ndim - 2))
        y = ref.convolve(y, self.w[f"{name}logit.weight"], self.w[f"{name}logit.bias"])
        if f"{name}norm.weight" in self.w:
            y = ref.relu(self.norm(y, f"{name}norm"))
        flat = y.reshape(*y.shape[:-2], -1)
        return ref.softmax(flat, -1).reshape(y.shape)

    def context_pool(self, x, attention, how, name=""):
        y = (x * attention).sum((-2, -1))
        if how != "sum":
            y = y / (x.shape[-2] * x.shape[-1])
        y = y.mean(2) if y.ndim == 3 else y
        return self.norm(y, f"{name}norm") if how == "mean-bn" else y

    def two_layers(self, x, name):
        y = ref.relu(ref.linear(x, self.w[f"{name}.0.weight"], self.w[f"{name}.0.bias"]))
        return ref.linear(y, self.w[f"{name}.3.weight"], self.w[f"{name}.3.bias"])

    def fusion(self, vectors, name=""):
        weights = None
        if f"{name}face_weight.0.weight" in self.w:
            face, context = vectors
            scores = [
                self.two_layers(face, f"{name}face_weight"),
                self.two_layers(context, f"{name}context_weight"),
            ]
            weights = ref.softmax(np.concatenate(scores, 1), 1)
            vectors = [face * weights[:, :1], context * weights[:, 1:]]
        return self.two_layers(np.concatenate(vectors, 1), f"{name}classifier"), weights

    def net(self, face, context, how="sum"):
        vectors, attention = [], None
        if "face.conv1.conv.weight" in self.w:
            x = self.trunk(face, "face.")
            vectors.append(x.reshape(*x.shape[:2], -1).mean(2))
        if "context.conv1.conv.weight" in self.w:
            x = self.trunk(context, "context.")
            if "attention.logit.weight" in self.w:
                attention = self.attention(x, "attention.")
                vectors.append(self.context_pool(x, attention, how, "context_pool."))
            else:
                vectors.append(x.reshape(*x.shape[:2], -1).mean(2))
        logits, weights = self.fusion(vectors, "fusion.")
        return logits, attention, weights


def check(module, inputs, torch_number, ref_number, rtol=1e-5):
    """A number made from a module's output, and its slopes for every parameter and input."""
    given = {f"input {i}": x for i, x in enumerate(inputs)}
    for x in inputs:
        x.requires_grad_()
    arrays = arrays_of(module) | {name: x.detach().numpy() for name, x in given.items()}
    number = torch_number(module(*inputs))
    assert float(number.detach()) == pytest.approx(ref_number(arrays), rel=1e-9)
    number.backward()
    random = np.random.default_rng(0)
    for name, tensor in (dict(module.named_parameters()) | given).items():
        along = random.standard_normal(tensor.shape)
        expected = ref.slope(lambda v, n=name: ref_number(arrays | {n: v}), arrays[name], along)
        assert tensor.grad is not None, name
        actual = float((tensor.grad.numpy() * along).sum())
        assert actual == pytest.approx(expected, rel=rtol, abs=1e-6), name


def inputs_of(arrays):
    return arrays["input 0"], arrays["input 1"]


def weighed(shape):
    """A fixed random weighting, so that every output counts differently."""
    return np.random.default_rng(1).standard_normal(shape)


ORDERS = {
    "norm-first": Compute(pool_first=False),
    "pool-first": Compute(pool_first=True),
    "maximum": Compute(pool_as_maximum=True),
}
of_orders = pytest.mark.parametrize("compute", ORDERS.values(), ids=ORDERS.keys())


@of_orders
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("pool", [(1, 2, 2), (2, 2, 2), (1, 1, 1), (2, 2)], ids=str)
def test_block(pool, training, compute):
    module = randomise(caer_net.Block(3, 4, pool, compute)).train(training)
    assert (module.norm.weight < 0).any()
    x = torch.randn(2, 3, *(4, 6, 7)[-len(pool) :])  # 7 columns: the last fills no window
    w = weighed(module(x).shape)
    randomise(module)
    check(
        module,
        [x],
        lambda y: (y * torch.from_numpy(w)).sum(),
        lambda a: (Reference(a, training).block(a["input 0"], "", pool) * w).sum(),
    )


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_trunk(dimensions, training):
    module = randomise(caer_net.trunk(dimensions)).train(training)
    x = torch.randn(2, 3, *(16, 16, 32)[-dimensions:])
    y = module(x)
    assert y.shape == (2, 4, *(2, 1, 2)[-dimensions:])
    w = weighed(y.shape)
    randomise(module)
    check(
        module,
        [x],
        lambda y: (y * torch.from_numpy(w)).sum(),
        lambda a: (Reference(a, training).trunk(a["input 0"], "") * w).sum(),
        rtol=1e-4,
    )


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("bn_relu", [True, False], ids=["bn-relu", "plain"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_attention(dimensions, bn_relu, training):
    module = randomise(caer_net.Attention(dimensions, bn_relu)).train(training)
    x = torch.randn(2, 4, *(2, 3, 4)[-dimensions:])
    w = weighed(module(x).shape)
    randomise(module)
    check(
        module,
        [x],
        lambda y: (y * torch.from_numpy(w)).sum(),
        lambda a: (Reference(a, training).attention(a["input 0"]) * w).sum(),
    )


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("how", ["sum", "mean", "mean-bn"])
@pytest.mark.parametrize("space", [(3, 4), (2, 3, 4)], ids=["image", "clip"])
def test_context_pool(space, how, training):
    module = randomise(caer_net.ContextPool(how)).train(training)
    x, attention = torch.randn(3, 4, *space), torch.rand(3, 1, *space)
    w = weighed((3, 4))
    check(
        module,
        [x, attention],
        lambda y: (y * torch.from_numpy(w)).sum(),
        lambda a: (Reference(a, training).context_pool(*inputs_of(a), how) * w).sum(),
    )


@pytest.mark.parametrize(
    ("streams", "adaptive"), [(1, False), (2, False), (2, True)], ids=["one", "concat", "adaptive"]
)
def test_fusion(streams, adaptive):
    class Fused(caer_net.Fusion):
        def forward(self, *vectors):
            return super().forward(list(vectors))[0]

    module = randomise(Fused(streams, adaptive, 5, Layers(dropout=0.0)))
    vectors = [torch.randn(3, 4) for _ in range(streams)]
    labels = [0, 4, 2]
    check(
        module,
        vectors,
        lambda y: nn.functional.cross_entropy(y, torch.tensor(labels)),
        lambda a: ref.cross_entropy(
            Reference(a, True).fusion([a[f"input {i}"] for i in range(streams)])[0], labels
        ),
    )


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_whole_network(model, training, row):
    recipe = recipe_of(model, streams=ROWS[row])
    module = randomise(architecture(recipe, classes=5)).train(training)
    steps = 2 if recipe.clips and "cA" in row else 1  # with two, space must not be mixed with time
    T = (8 * steps,) if recipe.clips else ()
    face, context = torch.randn(3, 3, *T, 16, 16), torch.randn(3, 3, *T, 32, 48)
    arrays = arrays_of(module)
    out = module(face if recipe.sees_face else None, context if recipe.sees_context else None)
    logits, attention, weights = Reference(arrays, training).net(face.numpy(), context.numpy())
    np.testing.assert_allclose(out.logits.detach(), logits, rtol=1e-9, atol=1e-12)
    assert (out.attention is None) == ("cA" not in row)
    if out.attention is not None:
        assert out.attention.shape == (3, steps, 2, 3)
        expected = attention.reshape(3, steps, 2, 3)
        np.testing.assert_allclose(out.attention.detach(), expected, rtol=1e-9)
        np.testing.assert_allclose(out.attention.detach().sum((2, 3)), 1, rtol=1e-12)
    assert (out.weights is None) == ("fA" not in row)
    if out.weights is not None:
        np.testing.assert_allclose(out.weights.detach(), weights, rtol=1e-9)
        np.testing.assert_allclose(out.weights.detach().sum(1), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("training", "order"),
    [(True, "norm-first"), (True, "pool-first"), (True, "maximum"), (False, "norm-first")],
)
@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_gradients_of_the_whole_network(model, training, order):
    recipe = recipe_of(model, compute=ORDERS[order].model_dump())
    module = randomise(architecture(recipe, classes=5)).train(training)
    T = (8,) if recipe.clips else ()
    face, context = torch.randn(2, 3, *T, 16, 16), torch.randn(2, 3, *T, 16, 32)
    labels = [3, 1]
    check(
        module,
        [face, context],
        lambda y: nn.functional.cross_entropy(y.logits, torch.tensor(labels)),
        lambda a: ref.cross_entropy(Reference(a, training).net(*inputs_of(a))[0], labels),
        rtol=1e-4,
    )


@of_orders
@pytest.mark.parametrize("pool", [(2, 2, 2), (2, 2)], ids=["3-D", "2-D"])
def test_running_statistics_after_a_step(pool, compute):
    """A tenth of the way to the batch's mean and its variance with Bessel's correction."""
    module = randomise(caer_net.Block(3, 4, pool, compute)).train()
    before = arrays_of(module)
    x = torch.randn(2, 3, *(4, 6, 8)[-len(pool) :])
    module(x)
    y = ref.convolve(x.numpy(), before["conv.weight"], np.zeros(4))
    values = np.moveaxis(y, 1, 0).reshape(4, -1)
    for name, batch in (("mean", values.mean(1)), ("var", values.var(1, ddof=1))):
        expected = 0.9 * before[f"norm.running_{name}"] + 0.1 * batch
        np.testing.assert_allclose(module.state_dict()[f"norm.running_{name}"], expected)


@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_a_step_of_every_order_is_the_same(model):
    """Outputs, all gradients and running statistics, however pooling is written."""
    found = []
    for compute in ORDERS.values():
        torch.manual_seed(3)
        recipe = recipe_of(model, compute=compute.model_dump())
        module = randomise(architecture(recipe)).train()
        T = (8,) if recipe.clips else ()
        out = module(torch.randn(4, 3, *T, 32, 32), torch.randn(4, 3, *T, 32, 48))
        out.logits.square().sum().backward()
        state = {n: v.detach().clone() for n, v in module.state_dict().items()}
        grads = {f"{n} gradient": p.grad for n, p in module.named_parameters()}
        module.eval()
        still = module(torch.ones(1, 3, *T, 32, 32), torch.ones(1, 3, *T, 32, 48)).logits.detach()
        found.append(state | grads | {"logits": out.logits.detach(), "evaluated": still})
    for other in found[1:]:
        for name, value in found[0].items():
            torch.testing.assert_close(other[name], value, rtol=1e-9, atol=1e-11, msg=name)


@of_orders
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "none"])
@pytest.mark.parametrize("pool", [(1, 2, 2), (2, 2, 2), (1, 1, 1), (2, 2)], ids=str)
def test_in_testing_the_convolution_normalises(pool, bias, compute):
    conv, norm = (nn.Conv3d, nn.BatchNorm3d) if len(pool) == 3 else (nn.Conv2d, nn.BatchNorm2d)
    block = nn.ModuleList([conv(3, 4, 3, padding=1, bias=bias), norm(4)])
    module = randomise(block).eval()
    assert (module[1].weight < 0).any()
    x = torch.randn(2, 3, *(4, 6, 7)[-len(pool) :])
    given = (*module, x, pool, compute.pool_first, compute.pool_as_maximum)
    expected = norm_relu_pool(*given)
    module[1].register_forward_hook(lambda *_: pytest.fail("normalised by itself"))
    with torch.no_grad():
        found = norm_relu_pool(*given)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_pooling_comes_first_on_cpus(device, monkeypatch):
    orders = []
    known = pooled_norm._PoolNormRelu.apply
    monkeypatch.setattr(
        pooled_norm._PoolNormRelu, "apply", lambda *given: orders.append("first") or known(*given)
    )
    block = caer_net.Block(3, 4, (2, 2), Compute()).to(device)
    block(torch.randn(2, 3, 4, 4, device=device))
    assert orders == (["first"] if device == "cpu" else [])


def test_one_way_of_pooling_at_a_time():
    with pytest.raises(ValueError, match="set one of them"):
        Compute(pool_first=True, pool_as_maximum=True)


def test_pooling_first_in_half_precision_keeps_single_precision_statistics():
    torch.set_default_dtype(torch.float32)
    conv, norm = nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4)
    x = torch.randn(4, 3, 4, 8, 8) + 3
    with torch.autocast("cpu", torch.bfloat16):
        y = norm_relu_pool(conv, norm, x, (2, 2, 2), True)
        values = conv(x).float()
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(norm.running_mean, 0.1 * values.mean((0, 2, 3, 4)))
    torch.testing.assert_close(
        norm.running_var, 0.9 + 0.1 * values.var((0, 2, 3, 4)), rtol=1e-3, atol=0
    )


def test_a_stream_that_is_missing_is_named():
    module = architecture(recipe_of())
    with pytest.raises(ValueError, match="has a context stream"):
        module(torch.randn(2, 3, 8, 16, 16), None)


def test_dropout_is_only_in_the_classifier():
    module = architecture(ModelRecipe(name="x", model="caer-net"))
    found = {n: m.p for n, m in module.named_modules() if isinstance(m, nn.Dropout) and m.p}
    assert found == {"fusion.classifier.2": 0.5}
