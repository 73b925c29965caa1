"""An exported network with its weights in half precision or less, and not one number of it changed.

A detector's file holds half-precision weights. `export` multiplies them by the norms' factors, one
for each output channel, and what comes out needs 32 bits. Here that product is taken apart again:
the file's half-precision weights, and the factor. Whoever opens the network multiplies once.
Weights of few values, since their file keeps them in 8 bits, become places in a list of these.
"""

from collections.abc import Iterable

import numpy as np

SMALLEST = 256  # numbers: a smaller tensor is not worth two more steps
MOST_VALUES = 256  # of a list: a place in it is one byte


def halve_weights(network, weights: Iterable[np.ndarray]) -> None:
    """Store an onnx.ModelProto's weights in half precision, in place, where that changes no number.

    weights: of the detector before its norms were folded in, among which the sources are sought.
    """
    from onnx import TensorProto, numpy_helper

    graph, nodes, known = network.graph, [], {}
    sources = [array.astype(np.float32) for array in weights if array.ndim == 4]
    for tensor in list(graph.initializer):
        array = numpy_helper.to_array(tensor) if tensor.data_type == TensorProto.FLOAT else None
        if array is None or array.size < SMALLEST:
            continue
        parts = taken_apart(array, sources)
        if parts is None:
            continue
        graph.initializer.remove(tensor)
        nodes += _product(graph, tensor.name, *parts, known)
    others = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *others])


def _product(graph, name: str, half: np.ndarray, factors: np.ndarray | None, known: dict) -> list:
    """The nodes that give the tensor `name`, and its parts as initializers. known: names of the
    half-precision tensors that are there, by what they hold.
    """
    from onnx import TensorProto, helper

    key = (half.shape, half.tobytes())
    known.setdefault(key, f"{name}/half")
    whole = name if factors is None else f"{name}/whole"
    values, places = np.unique(half.view(np.uint16), return_inverse=True)  # -0 is not 0
    if len(values) <= MOST_VALUES and values.nbytes * 2 + half.size < half.nbytes:
        nodes = _looked_up(graph, known[key], whole, values, places.reshape(half.shape))
    else:
        _keep(graph, half, known[key])
        nodes = [helper.make_node("Cast", [known[key]], [whole], to=TensorProto.FLOAT)]
    if factors is not None:
        _keep(graph, factors, f"{name}/factors")
        nodes.append(helper.make_node("Mul", [whole, f"{name}/factors"], [name]))
    return nodes


def _looked_up(graph, name: str, whole: str, values: np.ndarray, places: np.ndarray) -> list:
    """The nodes that give the tensor `whole` as values[places]; values: the bits of halves."""
    from onnx import TensorProto, helper

    _keep(graph, values.view(np.float16).astype(np.float32), f"{name}/values")
    _keep(graph, places.astype(np.uint8), f"{name}/places")
    return [
        helper.make_node("Cast", [f"{name}/places"], [f"{whole}/at"], to=TensorProto.INT32),
        helper.make_node("Gather", [f"{name}/values", f"{whole}/at"], [whole]),
    ]


def _keep(graph, array: np.ndarray, name: str) -> None:
    """An initializer, unless the graph has it."""
    from onnx import numpy_helper

    if all(one.name != name for one in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(array, name))


def taken_apart(
    product: np.ndarray, sources: Iterable[np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """(half-precision weights, float32 factors or None for 1) whose product is exactly `product`;
    None where there are none.
    """
    half = product.astype(np.float16)
    if np.array_equal(half.astype(np.float32), product):
        return half, None
    if product.ndim != 4:
        return None
    for source in sources:
        fitted = _padded(source, product.shape)
        factors = None if fitted is None else _factors(product, fitted)
        if factors is not None:
            return fitted.astype(np.float16), factors
    return None


def _padded(source: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """A kernel in a shape that may have a row and a column of zeros before it, as `folding` pads
    it; None where it does not fit, or has more digits than half precision.
    """
    before = [wanted - own for wanted, own in zip(shape, source.shape, strict=True)]
    if before not in ([0, 0, 0, 0], [0, 0, 1, 1]):
        return None
    if not np.array_equal(source.astype(np.float16).astype(np.float32), source):
        return None
    return np.pad(source, [(number, 0) for number in before])


def _factors(product: np.ndarray, source: np.ndarray) -> np.ndarray | None:
    """Float32 numbers, [channels, 1, 1, 1], that make the product of the source, or None."""
    rows, wanted = source.reshape(len(source), -1), product.reshape(len(product), -1)
    largest = np.abs(rows).argmax(1)[:, None]
    divisor = np.take_along_axis(rows, largest, 1)
    quotient = np.take_along_axis(wanted, largest, 1) / np.where(divisor == 0, 1, divisor)
    # A quotient is rounded, so the factor may be a neighbor of it.
    tried = [quotient]
    for direction in (-np.inf, np.inf):
        near = np.nextafter(quotient, np.float32(direction))
        tried += [near, np.nextafter(near, np.float32(direction))]
    factors, done = quotient.copy(), np.zeros(len(rows), bool)
    for trial in tried:
        fits = (rows * trial == wanted).all(1) & ~done
        factors[fits], done = trial[fits], done | fits
    return factors.reshape(-1, 1, 1, 1) if done.all() else None
