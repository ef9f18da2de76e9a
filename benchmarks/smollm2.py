"""SmolLM2-135M with every linear layer optical against digital, interleaved: `uv run python -m benchmarks.smollm2`.

8 windows of 128 tokens, panels loaded, rotation included. Prints the median ratio, its quartiles and both times.
"""

import argparse

import jax
import jax.numpy as jnp
from flax import nnx

import photonics
from benchmarks.interleave import interleave
from models.transformer.load import load_model
from photonics.layers import load_panels, opticalize, reseed


def main() -> None:
    """Run the case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7, help="interleaved pairs (default 7)")
    pairs = parser.parse_args().pairs
    digital = load_model("smollm2-135m").model
    optical = nnx.clone(digital)
    opticalize(optical, photonics.load_engine("free-space-1024"), rngs=nnx.Rngs(noise=0))
    load_panels(optical)
    reseed(optical, jax.random.split(jax.random.key(0), 8))
    tokens = jax.random.randint(jax.random.key(1), (8, 128), 0, 49_152)
    # Without graph updates, weights and panels are not copied out of every call.
    forward = nnx.jit(lambda model, tokens: jnp.argmax(model(tokens), axis=-1), graph_updates=False)
    print("case                                   ratio       quartiles         plain       optical")
    ratio = interleave(lambda: forward(digital, tokens), lambda: forward(optical, tokens), pairs)
    print(f"SmolLM2-135M, 8 x 128 tokens, forward  {ratio}")


if __name__ == "__main__":
    main()
