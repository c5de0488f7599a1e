"""The arrays of an estimator as an ONNX graph: what its `predict` tells, but for intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vae_moe.estimators._arrays import ExportError
from vae_moe.exported.model import LOG_MEAN_BOUND, LOG_VAR_BOUND, PARAMETERS

OPSET = 18


class _Graph:
    """Nodes and constants, to which each operation adds one and gives the name of what it computes."""

    def __init__(self, onnx: Any) -> None:
        self.onnx, self.nodes, self.constants = onnx, [], []  # type: Any, list[Any], list[Any]

    def constant(self, value: Any) -> str:
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(value), f"constant_{len(self.constants)}"))
        return self.constants[-1].name

    def __call__(self, operation: str, *inputs: Any, **attributes: Any) -> str:
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        outputs = [f"value_{len(self.nodes)}"]
        self.nodes.append(self.onnx.helper.make_node(operation, names, outputs, **attributes))
        return outputs[0]


def graph(description: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    """Return an ONNX model of what `_arrays.of_estimator` gives: `x`, double [N, D] -> the outputs of a SavedModel.

    Raises
    ------
    ExportError
        If the package onnx is not there.
    """
    try:
        import onnx
    except ImportError as error:
        raise ExportError("ONNX needs the package onnx. pip install 'vae_moe[onnx]'.") from error
    g, task, a = _Graph(onnx), description["task"], {name: _single(array) for name, array in arrays.items()}
    limit = min(float(arrays["x_limit"]), np.finfo(np.float32).max.item())
    x = g("Div", g("Sub", "x", arrays["x_mean"]), arrays["x_scale"])
    x = g("Cast", g("Clip", x, np.array(-limit), np.array(limit)), to=onnx.TensorProto.FLOAT)
    seen, x = _seen_and_completed(g, description, a, x)
    logits = _gate(g, description, a, seen)
    if description["branching"]:
        logits = _leaves(g, description["branching"], logits)
    if task == "clustering":
        probabilities = g("Softmax", g("Div", logits, a["temperature"]))
        return _model(g, {"cluster": g("ArgMax", probabilities, axis=-1, keepdims=0), "probabilities": probabilities})
    gate = g("Softmax", logits)
    n_features, n_experts, n_outputs = a["expert_kernels"].shape
    params = g("MatMul", x, a["expert_kernels"].reshape(n_features, -1))
    params = g("Add", g("Reshape", params, np.array([-1, n_experts, n_outputs])), a["expert_biases"])
    params = g("Softmax", params) if task == "classification" else params
    mean = g("ReduceSum", g("Mul", g("Unsqueeze", gate, np.array([2])), params), np.array([1]), keepdims=0)
    if task == "classification":
        y = g("Gather", a["classes"], g("ArgMax", mean, axis=-1, keepdims=0))
        return _model(g, {"y": y, "probabilities": mean, "gate_probabilities": gate})
    y = g("Add", g("Mul", mean, a["y_scale"]), a["y_mean"])
    y = g("Squeeze", y, np.array([1])) if description["one_output"] else y
    return _model(g, {"y": y, "gate_probabilities": gate})


def _single(array: np.ndarray) -> np.ndarray:
    """Return floats as float32, texts as ONNX takes them."""
    return array.astype({"f": np.float32, "U": object}.get(array.dtype.kind, array.dtype))


def _seen_and_completed(g: _Graph, description: dict[str, Any], a: dict[str, np.ndarray], x: str) -> tuple[str, str]:
    """Return what the networks and what the experts see of x, as `exported.model.Model` has it."""
    single, gaps = g.onnx.TensorProto.FLOAT, g("IsNaN", "x")
    if "fill" in a:
        seen = g("Where", gaps, a["fill"], x)
        return seen, seen
    if "columns" not in description:
        return x, x
    columns = description["columns"]
    firsts = np.cumsum([0, *(column["size"] for column in columns)])[:-1]
    observed = g("Cast", g("Not", g("Gather", gaps, firsts, axis=1)), to=single)
    seen = g("Concat", g("Where", gaps, np.float32(0), x), observed, axis=-1)
    if "z" not in description["activations"]:
        return seen, x
    z_mean = _part(g, _network(g, description, a, "z", seen), 0, a["decoder_0_kernel"].shape[0])
    params, first, means = _network(g, description, a, "decoder", z_mean), 0, []
    for column in columns:
        n = PARAMETERS.get(column["kind"], 1)
        mine = _part(g, params, first, first + n * column["size"], n)
        means.append(_mean(g, column, mine))
        first += n * column["size"]
    return seen, g("Where", gaps, g("Concat", *means, axis=-1), x)


def _mean(g: _Graph, column: dict[str, Any], params: str) -> str:
    """Return the means of a column's entries by the first parameter of each, [N, size]."""
    if column["kind"] == "categorical":
        return g("Softmax", params)
    if column["kind"] in ("bernoulli", "ordinal"):  # of an ordinal column the product up to each
        upto = np.triu(np.ones((column["size"], column["size"]), np.float32))
        return g("Exp", g("MatMul", g("Neg", g("Softplus", g("Neg", params))), upto))
    if column["kind"] == "count":
        mean, scale = np.float32(column["mean"]), np.float32(column["scale"])
        bounds = np.float32(-LOG_MEAN_BOUND), np.float32(LOG_MEAN_BOUND)
        log_mean = g("Clip", g("Add", g("Mul", params, scale), mean), *bounds)
        return g("Div", g("Sub", g("Softplus", log_mean), mean), scale)
    return params


def _part(g: _Graph, x: str, first: int, end: int, step: int = 1) -> str:
    """Return some columns of x."""
    return g("Slice", x, *(np.array([each]) for each in (first, end, 1, step)))


def _network(g: _Graph, description: dict[str, Any], a: dict[str, np.ndarray], name: str, x: str) -> str:
    """Return what dense layers make of x."""
    for i, activation in enumerate(description["activations"][name]):
        x = g("Add", g("MatMul", x, a[f"{name}_{i}_kernel"]), a[f"{name}_{i}_bias"])
        x = g("Relu", x) if activation == "relu" else x
    return x


def _gate(g: _Graph, description: dict[str, Any], a: dict[str, np.ndarray], x: str) -> str:
    """Return the logits of p(c | x), [N, K]."""
    x = _network(g, description, a, "gate", x)
    if "noise" not in a:
        return x
    n_latent = a["noise"].shape[-1]
    z_mean, log_var = _part(g, x, 0, n_latent), _part(g, x, n_latent, 2 * n_latent)
    deviation = g("Exp", g("Mul", g("Min", log_var, np.float32(LOG_VAR_BOUND)), np.float32(0.5)))
    z = g("Add", z_mean, g("Mul", deviation, a["noise"][:, np.newaxis]))  # [S, N, L]
    z = g("Unsqueeze", z, np.array([2]))  # [S, N, 1, L]
    apart = g("Einsum", g("Sub", z, a["prior_means"]), a["prior_mixing"], equation="snkl,kml->snkm")
    squares = g("Mul", g("Pow", apart, np.float32(2)), np.exp(-a["prior_log_vars"]))
    distances = g("ReduceSum", g("Add", squares, a["prior_log_vars"]), np.array([3]), keepdims=0)
    log_probs = g("LogSoftmax", g("Sub", a["prior_log_weights"], g("Mul", distances, np.float32(0.5))))
    return g("ReduceLogSumExp", log_probs, np.array([0]), keepdims=0)


def _leaves(g: _Graph, branching: Sequence[int], logits: str) -> str:
    """Return the log-probabilities of the leaves of a tree, [N, K], of the logits of the choices at its nodes."""
    log_probs: Any = np.zeros((1, 1), np.float32)
    first, nodes = 0, 1
    for children in branching:
        end = first + nodes * children
        step = g("Reshape", _part(g, logits, first, end), np.array([-1, nodes, children]))
        above = g("Unsqueeze", log_probs, np.array([2]))
        step, first, nodes = g("LogSoftmax", step), end, nodes * children
        log_probs = g("Reshape", g("Add", above, step), np.array([-1, nodes]))
    return log_probs


def _model(g: _Graph, outputs: dict[str, str]) -> Any:
    onnx, helper, proto = g.onnx, g.onnx.helper, g.onnx.TensorProto
    for name, value in outputs.items():
        g.nodes.append(helper.make_node("Identity", [value], [name]))
    infos = [onnx.ValueInfoProto(name=name) for name in outputs]
    width = len(g.onnx.numpy_helper.to_array(g.constants[0]))
    x = helper.make_tensor_value_info("x", proto.DOUBLE, [None, width])
    made = helper.make_graph(g.nodes, "predict", [x], infos, g.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    model = onnx.shape_inference.infer_shapes(model)
    inferred = {info.name: info for info in model.graph.value_info}
    for info in model.graph.output:
        if not info.HasField("type") and info.name in inferred:
            info.CopyFrom(inferred[info.name])
    onnx.checker.check_model(model)
    return model
