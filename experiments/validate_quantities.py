"""Every quantity that a case of `exalight validate` may ask for, by name. No JAX: functions have rooms of their own.

A room is a module experiments.validate_quantities_ROOM with one function per quantity, called as

    function(engine, **arguments) -> float         with every argument filled in, None where its `otherwise` holds

A quantity that needs data gets it as a further argument of that name (`mnist=`), one without an engine no engine.
"""

from experiments.validate_quantity import Argument, Quantity

_DISTRIBUTIONS = ("normal", "uniform", "positive", "laplace", "signs")
_INPUTS = Argument("inputs", "whole", None, "1", "length of the vectors", "fan-in of the engine", least=1)
_PHOTONS = Argument(
    "photons_per_mac",
    "number",
    None,
    "1",
    "photoelectrons per multiply-accumulate, all rails and passes; sets the laser power",
    "those at the laser power of the engine",
    least=1e-6,
)
_SEED = Argument("seed", "whole", 0, "1", "of operands and noise", least=0)
_PATH = Argument("path", "choice", "fast", "", "closed-form moments, or photons counted", choices=("fast", "reference"))
_CREST = Argument(
    "crest_factor", "number", None, "1", "peak over rms of both operands", "that of the distribution", least=1.0
)


def _sizes(outputs: int, vectors: int) -> tuple[Argument, ...]:
    return (
        _INPUTS,
        Argument("outputs", "whole", outputs, "1", "columns of the weight matrix", least=1),
        Argument("vectors", "whole", vectors, "1", "vectors shown", least=1),
    )


def _operands(outputs: int = 256, vectors: int = 256) -> tuple[Argument, ...]:
    """Sizes and distributions of random operands."""
    about = "(standard normal, uniform in -1..1, positive in 0..1, Laplace of scale 1, signs -1 and 1)"
    return (
        *_sizes(outputs, vectors),
        Argument("activations", "choice", "normal", "", f"their law {about}", choices=_DISTRIBUTIONS),
        Argument("weights", "choice", "normal", "", f"their law {about}", choices=_DISTRIBUTIONS),
        Argument("instance", "whole", 0, "1", "which fabricated engine", least=0),
        _PATH,
        _SEED,
    )


_STATISTICS = (*_operands(64, 4096), _CREST)
_VECTORS = Argument("vectors", "whole", 1_000_000, "1", "vectors shown to each matrix", least=1)
_PANELS = Argument("panels", "whole", None, "1", "engines that share all tiles and reload", "all resident", least=1)
_WIDTH = (
    Argument("inputs", "whole", None, "1", "rows of the weight matrix", "fan-in of the engine", least=1),
    Argument("outputs", "whole", None, "1", "columns of the weight matrix", "fan-out of the engine", least=1),
)
_PART = Argument("part", "text", None, "", 'part of the budget, such as "adc"; several joined by "+"', "all parts")
_STATED_POWER = Argument(
    "power_w", "number", None, "W", "power of all engines as somebody states it", "the engine's own budget", least=0.0
)
_ENGINES = Argument("engines", "whole", 1, "1", "engines side by side", least=1)
_TARGET = Argument("throughput_op_per_s", "number", None, "op/s", "throughput aimed at", least=1.0)
_MODEL_WEIGHTS = Argument("model_weights", "number", None, "1", "weights of the model", least=1.0)

_NOISE = (
    Quantity(
        "relative_noise",
        "1",
        "rms error of a product of positive uniform operands over its mean, Monte Carlo",
        "noise",
        (_PHOTONS, *_sizes(256, 256), _PATH, _SEED),
    ),
    Quantity(
        "noise_photons",
        "1",
        "rms error of a product in photoelectrons, for so many photoelectrons per unit product of signed weights and "
        "positive activations",
        "noise",
        (
            Argument("photons", "number", 1.0, "1", "photoelectrons per unit product", least=1e-6),
            *_sizes(256, 256),
            _PATH,
            _SEED,
        ),
        family="free-space",
    ),
    Quantity(
        "noise_over_quantum_limit",
        "1",
        "rms error of a product of signed operands over |A_i| |x| / sqrt(N n), n photoelectrons per MAC",
        "noise",
        (_PHOTONS, *_operands(), _CREST),
    ),
    Quantity(
        "sample_energy",
        "J",
        "light on one detector for an output sample whose signal over noise is that of a sine of so many bits",
        "noise",
        (
            Argument("bits", "number", None, "1", "bits of the sine: SNR = 10^((6.02 bits + 1.76)/10)", least=0.0),
            Argument("noise", "choice", "both", "", "what limits it", choices=("shot", "receiver", "both")),
        ),
        family="free-space",
    ),
    Quantity("photon_energy", "J", "energy of one photon of the sources", "noise", family="free-space"),
    Quantity("responsivity", "A/W", "photocurrent per light on a detector", "noise"),
    Quantity(
        "receiver_noise_density", "A/rtHz", "noise current of one receiver at its input", "noise", family="free-space"
    ),
    Quantity("receiver_noise_electrons", "1", "readout noise of one pass, rms electrons", "noise", family="free-space"),
    Quantity(
        "detected_energy_per_mac",
        "J",
        "light on the detectors per multiply-accumulate",
        "noise",
        (_PHOTONS, *_operands()),
    ),
    Quantity(
        "photons_per_dot_product",
        "1",
        "photoelectrons per dot product at the operating point, all rails and passes",
        "noise",
        _operands(),
    ),
)

_CONVERTERS = (
    Quantity(
        "adc_energy",
        "J",
        "energy of one analog-to-digital conversion under the engine's adc.energy_model",
        "converters",
        (Argument("rate_hz", "number", None, "Hz", "conversions per second", "that of the engine", least=1.0),),
    ),
    Quantity(
        "adc_energy_per_mac", "J", "energy of the conversion of one output over the inputs that it sums", "converters"
    ),
    Quantity(
        "dac_energy",
        "J",
        "energy of one digital-to-analog conversion under the engine's dac.energy_model",
        "converters",
    ),
)

_SYSTEM = (
    Quantity("throughput", "op/s", "operations per second at full use, 2 per MAC", "system", (_ENGINES,)),
    Quantity("engines_needed", "1", "engines for a throughput at full use", "system", (_TARGET,)),
    Quantity("power", "W", "power at the wall of engines that never pause, or of a part", "system", (_ENGINES, _PART)),
    Quantity("area", "m^2", "area of the chip, or of a part of it", "system", (_PART,)),
    Quantity(
        "tops_per_w",
        "TOPS/W",
        "operations per joule at full use, 2 per MAC",
        "system",
        (_ENGINES, _STATED_POWER, _PART),
    ),
    Quantity("energy_per_op", "J", "power over throughput at full use", "system", (_ENGINES, _STATED_POWER, _PART)),
    Quantity(
        "energy_per_mac",
        "J",
        "energy of one multiply-accumulate of a weight matrix, everything or a part, at the wall",
        "system",
        (*_WIDTH, _VECTORS, _PANELS, _PART),
    ),
    Quantity(
        "energy_advantage",
        "1",
        "energy of a digital multiply-accumulate over that of the engine",
        "system",
        (
            Argument("digital_j_per_mac", "number", None, "J", "energy of a digital multiply-accumulate", least=1e-21),
            *_WIDTH,
            _VECTORS,
            _PANELS,
            _PART,
        ),
    ),
    Quantity(
        "energy_per_output",
        "J",
        "energy for one output of one pass that a power at a throughput leaves",
        "system",
        (Argument("power_w", "number", None, "W", "power of the system", least=0.0), _TARGET),
    ),
    Quantity(
        "power_per_weight", "W", "power at the wall over the weights that the panel holds", "system", (_STATED_POWER,)
    ),
    Quantity(
        "panels_needed", "1", "panels that hold a model, none shared by two matrices", "system", (_MODEL_WEIGHTS,)
    ),
    Quantity(
        "reloads",
        "1",
        "panels that each engine writes for one pass over a model",
        "system",
        (_MODEL_WEIGHTS, _ENGINES),
    ),
    Quantity(
        "reload_utilisation",
        "1",
        "share of the time in which vectors are shown while engines reload a model",
        "system",
        (_MODEL_WEIGHTS, _ENGINES, _VECTORS),
    ),
    Quantity(
        "speedup",
        "1",
        "roofline: time of a digital machine over that of engines with the same memory, for one pass over a model",
        "system",
        (
            _MODEL_WEIGHTS,
            Argument("tokens", "whole", None, "1", "vectors shown to every weight: a prompt, or 1 a step", least=1),
            Argument("digital_op_per_s", "number", None, "op/s", "peak rate of the digital machine", least=1.0),
            Argument("memory_byte_per_s", "number", None, "byte/s", "bandwidth of the memory of both", least=1.0),
            Argument("weight_byte", "number", None, "byte", "bytes of a weight in memory", least=0.0),
            _ENGINES,
        ),
    ),
)

_ERRORS = (
    Quantity("relative_error", "1", "rms error of a product over the rms product", "errors", _operands(256, 64)),
    Quantity("snr_db", "dB", "10 log10(sum y^2 / sum error^2) of a product", "errors", _STATISTICS),
    Quantity(
        "snr_db_after_affine",
        "dB",
        "the same after gain and offset of every output have been fitted on other vectors",
        "errors",
        _STATISTICS,
    ),
    Quantity("error_std", "1", "standard deviation of the error, in units of the product", "errors", _STATISTICS),
    Quantity("error_std_lsb", "LSB", "standard deviation of the error, in codes of the ADC", "errors", _STATISTICS),
    Quantity(
        "signal_std_lsb", "LSB", "standard deviation of the exact product, in codes of the ADC", "errors", _STATISTICS
    ),
    Quantity(
        "error_excess_kurtosis", "1", "mean(e^4) / var(e)^2 - 3 of the error in codes of the ADC", "errors", _STATISTICS
    ),
    Quantity(
        "error_p99_over_std",
        "1",
        "99th percentile of |error| over its standard deviation, in codes",
        "errors",
        _STATISTICS,
    ),
    Quantity("gain_mean", "1", "mean over outputs of the gain fitted per output", "errors", _STATISTICS),
    Quantity("gain_spread", "1", "standard deviation over outputs of the gain, over its mean", "errors", _STATISTICS),
    Quantity(
        "offset_spread_lsb", "LSB", "standard deviation over outputs of the offset, in codes", "errors", _STATISTICS
    ),
    Quantity(
        "residual_std_lsb", "LSB", "error left around the affine fit of each output, in codes", "errors", _STATISTICS
    ),
)

_TASKS = (
    Quantity(
        "mnist_accuracy",
        "%",
        "test accuracy on MNIST of a 784-100-100-10 perceptron, trained digitally, run through the engine",
        "tasks",
        (
            Argument(
                "photons_per_mac", "number", None, "1", "photoelectrons per multiply-accumulate, mean", least=1e-6
            ),
            Argument("epochs", "whole", 30, "1", "passes over the training set", least=1),
            _SEED,
        ),
        needs="mnist",
    ),
    Quantity(
        "weight_noise_accuracy_drop",
        "%",
        "points of next-token accuracy that SmolLM2-135M loses to Gaussian noise on all linear weights",
        "tasks",
        (
            Argument("relative_std", "number", None, "1", "noise over the largest weight of each output", least=0.0),
            Argument("tokens", "whole", 1024, "1", "tokens of the built-in text", least=64),
            Argument("draws", "whole", 1, "1", "noisy copies of the weights", least=1),
            _SEED,
        ),
        family="",
        needs="smollm2",
    ),
    Quantity(
        "weight_noise_perplexity_ratio",
        "1",
        "perplexity of SmolLM2-135M under Gaussian noise on all linear weights, over its perplexity without",
        "tasks",
        (
            Argument("relative_std", "number", None, "1", "noise over the largest weight of each output", least=0.0),
            Argument("tokens", "whole", 1024, "1", "tokens of the built-in text", least=64),
            Argument("draws", "whole", 1, "1", "noisy copies of the weights", least=1),
            _SEED,
        ),
        family="",
        needs="smollm2",
    ),
)

_OT = "optical-transformer"
_WIDE = Argument("width", "whole", None, "1", "inputs and outputs of a square layer on one panel", least=1)

_MACHINES = (
    Quantity(
        "width_energy_per_mac", "J", "energy per multiply-accumulate of a square layer", "machines", (_WIDE, _PART), _OT
    ),
    Quantity(
        "width_advantage",
        "1",
        "energy of a digital multiply-accumulate over that of a square layer",
        "machines",
        (
            _WIDE,
            _PART,
            Argument("digital_j_per_mac", "number", 3e-13, "J", "energy of a digital multiply-accumulate", least=1e-21),
        ),
        _OT,
    ),
    Quantity(
        "width_exponent",
        "1",
        "exponent with which the energy per multiply-accumulate grows with the width of a square layer",
        "machines",
        (
            Argument("narrow", "whole", 1024, "1", "width to start from", least=1),
            Argument("wide", "whole", 12288, "1", "width to end at", least=1),
            _PART,
        ),
        _OT,
    ),
    Quantity(
        "photon_energy_at_width",
        "J",
        "energy of the photons detected per multiply-accumulate, their number per dot product given",
        "machines",
        (_WIDE, Argument("photons_per_dot_product", "number", None, "1", "photoelectrons of one output", least=1e-6)),
        _OT,
    ),
    Quantity("residue_range_bits", "1", "log2 of the product of the moduli", "machines", family="residue"),
    Quantity(
        "albireo_power",
        "W",
        "power of a part of Albireo, conservative preset, from its published components",
        "machines",
        (
            Argument(
                "part",
                "choice",
                None,
                "",
                "part of the table",
                choices=("mrr", "mzm", "laser", "tia", "dac", "adc"),
            ),
        ),
        family="",
    ),
    Quantity(
        "golden_difference",
        "1",
        "largest difference of our matrix operation from golden vectors of a published twin, over the largest of them",
        "machines",
        (
            Argument(
                "vectors",
                "choice",
                None,
                "",
                "which golden vectors",
                choices=("aoc-one-hot", "aoc-random", "aoc-random-as-shipped"),
            ),
        ),
        family="",
    ),
    Quantity(
        "golden_mismatches",
        "1",
        "values of our Optical Transformers quantiser that differ in any bit from those of the public re-coding",
        "machines",
        (
            Argument(
                "arithmetic", "choice", "reference", "", "of the re-implementation", choices=("reference", "kernel")
            ),
        ),
        family="",
    ),
)

QUANTITIES: dict[str, Quantity] = {
    quantity.name: quantity for quantity in (*_NOISE, *_CONVERTERS, *_SYSTEM, *_ERRORS, *_MACHINES, *_TASKS)
}
"""All quantities by name, in the order in which they are listed."""
