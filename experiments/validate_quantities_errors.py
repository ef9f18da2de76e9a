"""Statistics of the errors of a product, as quantities of `exalight validate`; see `validate_quantities`.

Errors are found minus exact, over all vectors and outputs. Steps of the ADC (LSB) are those of a matrix that fits one
tile, of which one value of each vector and each output is at full scale (`crest_factor`).
"""

import math
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from experiments.errors import RequestError
from experiments.validate_operands import Product, cached_product
from photonics.tiled_engine import TiledEngine

if TYPE_CHECKING:
    from photonics.engine import Engine


def relative_error(engine: "Engine", **operands: Any) -> float:
    """std(found - exact) / std(exact)."""
    done = cached_product(engine, **operands)
    return float(done.error.std() / done.exact.std())


def snr_db(engine: "Engine", **operands: Any) -> float:
    """10 log10(sum y^2 / sum (found - y)^2)."""
    done = cached_product(engine, **operands)
    return _ratio_db(done.exact, done.error)


def snr_db_after_affine(engine: "Engine", **operands: Any) -> float:
    """The same on the second half of the vectors, after (found - offset) / gain fitted per output on the first."""
    done = cached_product(engine, **operands)
    half = len(done.exact) // 2
    gain, offset = fitted(done.exact[:half], done.found[:half])
    return _ratio_db(done.exact[half:], (done.found[half:] - offset) / gain - done.exact[half:])


def error_std(engine: "Engine", **operands: Any) -> float:
    """std of the error, in units of the product."""
    return float(cached_product(engine, **operands).error.std())


def error_std_lsb(engine: "Engine", **operands: Any) -> float:
    """std of the error in codes."""
    return float(_codes(cached_product(engine, **operands), "error").std())


def signal_std_lsb(engine: "Engine", **operands: Any) -> float:
    """std of the exact product in codes."""
    return float(_codes(cached_product(engine, **operands), "exact").std())


def error_excess_kurtosis(engine: "Engine", **operands: Any) -> float:
    """mean(e^4) / var(e)^2 - 3 of the error in codes, its mean taken off."""
    error = _codes(cached_product(engine, **operands), "error")
    centred = error - error.mean()
    return float(np.mean(centred**4) / np.mean(centred**2) ** 2 - 3.0)


def error_p99_over_std(engine: "Engine", **operands: Any) -> float:
    """99th percentile of |e| over std(e), in codes."""
    error = _codes(cached_product(engine, **operands), "error")
    return float(np.percentile(np.abs(error), 99) / error.std())


def gain_mean(engine: "Engine", **operands: Any) -> float:
    """Mean of the gains of `fitted`."""
    return float(_fit(engine, operands)[0].mean())


def gain_spread(engine: "Engine", **operands: Any) -> float:
    """std over mean of the gains of `fitted`."""
    gain, _ = _fit(engine, operands)
    return float(gain.std() / gain.mean())


def offset_spread_lsb(engine: "Engine", **operands: Any) -> float:
    """std of the offsets of `fitted` in codes."""
    done = cached_product(engine, **operands)
    _, offset = fitted(done.exact, done.found)
    return float((offset / _lsb(done)).std())


def residual_std_lsb(engine: "Engine", **operands: Any) -> float:
    """std of found - (gain exact + offset), fitted per output, in codes."""
    done = cached_product(engine, **operands)
    gain, offset = fitted(done.exact, done.found)
    return float(((done.found - gain * done.exact - offset) / _lsb(done)).std())


def fitted(exact: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset (outputs,) of found = gain exact + offset by least squares, per output of (vectors, outputs)."""
    x, y = exact - exact.mean(axis=0), found - found.mean(axis=0)
    gain = np.sum(x * y, axis=0) / np.sum(x * x, axis=0)
    return gain, found.mean(axis=0) - gain * exact.mean(axis=0)


def _fit(engine: "Engine", operands: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    done = cached_product(engine, **operands)
    return fitted(done.exact, done.found)


def _ratio_db(exact: np.ndarray, error: np.ndarray) -> float:
    noise = float(np.sum(np.square(error)))
    if noise == 0.0:
        raise RequestError("the product is exact, so it has no signal-to-noise ratio; the engine has no noise")
    return 10.0 * math.log10(float(np.sum(np.square(exact))) / noise)


def _codes(done: Product, of: str) -> np.ndarray:
    return getattr(done, of) / _lsb(done)


def _lsb(done: Product) -> np.ndarray:
    """One step of the ADC in units of the product, (vectors, outputs) or what broadcasts to it.

    lsb = FS s_w s_x / Q        FS s_w of the loaded panel, s_x the peak of each vector, Q the largest code
    """
    panel: Any = done.panel
    adc: Any = getattr(done.engine, "adc", None)
    if adc is None or adc.ideal:
        raise RequestError("the ADC of the engine is ideal, so it has no codes to count errors in")
    if done.engine.rotates:
        raise RequestError("rotation moves the peak of the operands; set encoding.rotate = false to count in codes")
    if len(panel.scale) != 1:
        raise RequestError("errors in codes need a matrix that fits one tile; make inputs no larger than the fan-in")
    step = np.asarray(panel.full_scale[0] * panel.scale[0], np.float64) / adc.levels()
    return _scales(done) * step


def _scales(done: Product) -> np.ndarray:
    """Scale of each vector (vectors, 1): that of the engine where it rounds scales, the peak elsewhere."""
    if isinstance(done.engine, TiledEngine):
        return np.asarray(done.engine.activation_scale(jnp.asarray(done.x)[None])[0], np.float64)
    return np.abs(done.x).max(axis=1, keepdims=True)
