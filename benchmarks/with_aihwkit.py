"""An analog linear layer of aihwkit or aihwkit-lightning against torch's own, as `exalight bench` does for light.

    python with_aihwkit.py aihwkit [--pairs N]
    python with_aihwkit.py aihwkit-lightning [--pairs N]

Runs in an environment that has the package (benchmarks/README.md), and imports nothing of this repository. Both
layers run in turn in one process with two threads. Prints one line for each case: median ratio, quartiles, times.

Every case is what comes nearest to one optical engine: 8-bit converters at inputs and outputs, one scale per vector,
1024 inputs per tile, Gaussian noise at the outputs. What differs is in benchmarks/README.md.
"""

# Torch and the two packages live in environments of their own, never in the one where types are checked.
# pyright: reportMissingImports=false

import argparse
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import Linear, Module

SHAPES = ((512, 1024, 1024), (512, 768, 3072))
THREADS = 2
_STEPS_8_BIT = 2**8 - 2
_TILE_INPUTS = 1024
# Output noise and range of a converter as aihwkit counts them: in units of largest input times largest weight.
_OUT_NOISE, _OUT_BOUND = 0.06, 12.0

Pair = tuple[str, Callable[[], Any], Callable[[], Any]]


def main() -> None:
    """Measure one package."""
    parser = argparse.ArgumentParser(description="an analog linear layer against torch's own")
    parser.add_argument("package", choices=("aihwkit", "aihwkit-lightning"))
    parser.add_argument("--pairs", type=int, default=21, help="interleaved pairs per case (default 21)")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    found = {name: importlib.metadata.version(name) for name in ("torch", arguments.package)}
    core = os.environ.get("OPENBLAS_CORETYPE", "chosen by OpenBLAS")
    print(f"Python {platform.python_version()}, {found}, {THREADS} threads, OpenBLAS core type: {core}")
    print(f"{'case':62} ratio       quartiles         torch        analog")
    layers = _aihwkit if arguments.package == "aihwkit" else _lightning
    for m, k, n in SHAPES:
        for name, plain, analog in layers(m, k, n):
            ratio = _interleaved(plain, analog, arguments.pairs)
            print(f"{f'{m}x{k}x{n} {name}':62} {ratio}", flush=True)


def _aihwkit(m: int, k: int, n: int) -> Iterator[Pair]:
    from aihwkit.nn import AnalogLinear
    from aihwkit.simulator.configs import InferenceRPUConfig, TorchInferenceRPUConfig
    from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType

    def analog(config: Any) -> Module:
        forward = config.forward
        forward.inp_res = forward.out_res = 1 / _STEPS_8_BIT
        forward.out_noise, forward.out_bound, forward.w_noise = _OUT_NOISE, _OUT_BOUND, 0.0
        forward.noise_management = NoiseManagementType.ABS_MAX
        forward.bound_management = BoundManagementType.NONE
        mapping = config.mapping
        mapping.max_input_size, mapping.max_output_size = _TILE_INPUTS, 0
        # The largest weight of each column fills the range of the tile, as on a panel.
        mapping.weight_scaling_omega, mapping.weight_scaling_columnwise = 1.0, True
        return AnalogLinear(k, n, bias=False, rpu_config=config)

    for name, config in (("tile in C++", InferenceRPUConfig), ("tile in torch", TorchInferenceRPUConfig)):
        plain, layer = Linear(k, n, bias=False), analog(config())
        yield f"{name}, forward", _forward(plain.eval(), m), _forward(layer.eval(), m)
        for either in (plain, layer):
            either.train()
        # The C++ tile leaves the gradient of its weights to its own optimiser.
        plain.weight.requires_grad_(name == "tile in torch")
        trained = "" if name == "tile in torch" else " for inputs only"
        yield f"{name}, with backward{trained}", _backward(plain, m), _backward(layer, m)


def _lightning(m: int, k: int, n: int) -> Iterator[Pair]:
    from aihwkit_lightning.nn import AnalogLinear
    from aihwkit_lightning.simulator.configs import TorchInferenceRPUConfig

    config = TorchInferenceRPUConfig()
    config.forward.inp_res = config.forward.out_res = _STEPS_8_BIT
    config.forward.out_noise, config.forward.out_bound = _OUT_NOISE, _OUT_BOUND
    config.pre_post.input_range.enable = config.pre_post.input_range.dynamic = True
    config.mapping.max_input_size = _TILE_INPUTS
    plain, layer = Linear(k, n, bias=False), AnalogLinear(k, n, bias=False, rpu_config=config)
    # It draws output noise in training mode only.
    yield "forward without noise (eval)", _forward(plain.eval(), m), _forward(layer.eval(), m)
    yield "forward with noise (train)", _forward(plain.train(), m), _forward(layer.train(), m)
    yield "with backward", _backward(plain, m), _backward(layer, m)


def _forward(layer: Module, m: int) -> Callable[[], Any]:
    x = torch.randn(m, _inputs(layer))

    def run() -> Any:
        with torch.no_grad():
            return layer(x)

    return run


def _backward(layer: Module, m: int) -> Callable[[], Any]:
    """Gradient of sum(y^2) for inputs and weights, as far as they have one, forward included."""
    x = torch.randn(m, _inputs(layer), requires_grad=True)

    def run() -> Any:
        for tensor in (x, *layer.parameters()):
            tensor.grad = None
        layer(x).square().sum().backward()
        return x.grad

    return run


def _inputs(layer: Any) -> int:
    return int(layer.in_features)


def _interleaved(plain: Callable[[], Any], analog: Callable[[], Any], pairs: int) -> str:
    """Both in turn, who is first changing from pair to pair, after a warm-up each."""
    for function in (plain, plain, analog, analog):
        function()
    times = []
    for index in range(pairs):
        first, second = (analog, plain) if index % 2 else (plain, analog)
        measured = {function: _seconds(function) for function in (first, second)}
        times.append((measured[plain], measured[analog]))
    low, median, high = statistics.quantiles([analog_s / plain_s for plain_s, analog_s in times], n=4)
    plain_s, analog_s = (statistics.median(column) for column in zip(*times, strict=True))
    return f"{median:5.2f} {f'({low:.2f} to {high:.2f})':>15}   {plain_s * 1e3:8.2f} ms   {analog_s * 1e3:8.2f} ms"


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
