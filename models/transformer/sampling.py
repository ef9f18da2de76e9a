"""The next token from logits: the most probable one, or a draw."""

import jax
import jax.numpy as jnp
from jax import Array


def sample(key: Array, logits: Array, temperature: float | Array = 0.0, top_p: float | Array = 1.0) -> Array:
    """Token numbers (...), int32, drawn from logits (..., vocabulary) with one key per row, key (...).

        p = softmax(logits / temperature);   the token is drawn from p restricted to the nucleus and rescaled

    The nucleus is the smallest set of most probable tokens whose probabilities add up to at least `top_p`; of equal
    tokens the lower number comes first. Temperature 0 takes the most probable token and ignores the key and `top_p`.
    Both may be numbers or arrays that broadcast against the rows. A row's draw depends on its own key and logits only.

    ValueError for keys of another shape than the rows, and for numbers outside 0 <= temperature, 0 < top_p <= 1
    (arrays are not checked). Left out: top-k, repetition penalties, beams.

    Holtzman et al., The Curious Case of Neural Text Degeneration, 2020, section 3.1.
    """
    _check(key, logits, temperature, top_p)
    greedy = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    if isinstance(temperature, int | float) and temperature == 0:
        return greedy
    rows = logits.shape[:-1]
    heat = jnp.broadcast_to(jnp.asarray(temperature, jnp.float32), rows)
    nucleus = None if isinstance(top_p, int | float) and top_p == 1 else jnp.broadcast_to(jnp.asarray(top_p), rows)
    draw = _draw
    for _ in rows:
        draw = jax.vmap(draw, in_axes=(0, 0, 0, None if nucleus is None else 0))
    return jnp.where(heat > 0, draw(key, logits.astype(jnp.float32), heat, nucleus), greedy)


def _draw(key: Array, logits: Array, temperature: Array, top_p: Array | None) -> Array:
    """One token from one row; the result at temperature 0 is not used."""
    # The largest becomes 0 before the division, so that no temperature, however small, overflows.
    scaled = (logits - jnp.max(logits)) / jnp.where(temperature > 0, temperature, 1)
    if top_p is None:
        return jax.random.categorical(key, scaled).astype(jnp.int32)
    order = jnp.argsort(-scaled, stable=True)
    ranked = scaled[order]
    shares = jax.nn.softmax(ranked)
    before = jnp.cumsum(shares) - shares  # what the more probable tokens have already
    kept = (before < top_p).at[0].set(True)
    rank = jax.random.categorical(key, jnp.where(kept, ranked, -jnp.inf))
    return order[rank].astype(jnp.int32)


def _check(key: Array, logits: Array, temperature: float | Array, top_p: float | Array) -> None:
    if key.shape != logits.shape[:-1]:
        raise ValueError(
            f"there must be one key per row of logits: keys have shape {key.shape}, logits {logits.shape}; "
            f"split the key into {logits.shape[:-1]}"
        )
    if isinstance(temperature, int | float) and not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be zero or positive and finite, not {temperature!r}")
    if isinstance(top_p, int | float) and not 0 < top_p <= 1:
        raise ValueError(f"top_p must lie in (0, 1], not {top_p!r}")
