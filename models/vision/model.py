"""A vision transformer in plain flax nnx.

Module paths and `jax.named_scope`s agree: `patch`, `positions`, `layers/attention/query` and so on (see
`models.encoder.layers`), `final_norm` and, where the model has one, `classifier`.

Dosovitskiy et al., An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale, 2021.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from models.encoder.layers import EncoderLayer, Lookup, layer_norm, stack_of
from models.transformer.stack import run_layers
from models.vision.config import VisionConfig


def cut_patches(images: Array, patch_size: int) -> Array:
    """Images (batch, height, width, channels) as rows of patches (batch, patches, channels * patch_size^2).

    Patches run row by row over the image; within one the order is channel, row, column, that of a stored convolution
    whose stride is its size: so that convolution becomes a plain product.
    """
    batch, height, width, channels = images.shape
    rows, columns = height // patch_size, width // patch_size
    blocks = images.reshape(batch, rows, patch_size, columns, patch_size, channels)
    return blocks.transpose(0, 1, 3, 5, 2, 4).reshape(batch, rows * columns, channels * patch_size**2)


class VisionTransformer(nnx.Module):
    """Images (batch, height, width, channels), normalised, to vectors, float32.

    `layers` is one layer whose every variable carries a leading layer axis, run by a scan; call it inside a compiled
    function. Without labels in the configuration, or with `head=False`, there is no classifier. Left out: dropout,
    other image sizes.
    """

    def __init__(self, config: VisionConfig, *, head: bool = True, rngs: nnx.Rngs) -> None:
        def layer(rngs: nnx.Rngs) -> EncoderLayer:
            return EncoderLayer(config, norm="before", input_bias=config.input_bias, rngs=rngs)

        self.config = config
        self.patch = nnx.Linear(config.channels * config.patch_size**2, config.width, rngs=rngs)
        self.class_token = nnx.Param(jnp.zeros(config.width))
        self.positions = Lookup(config.tokens, config.width, rngs=rngs)
        self.layers = stack_of(config.layers, layer, rngs)
        self.final_norm = layer_norm(config, rngs)
        classes = len(config.labels) if head else 0
        self.classifier = nnx.data(nnx.Linear(config.width, classes, rngs=rngs) if classes else None)

    def __call__(self, images: Array) -> Array:
        """Vectors (batch, 1 + patches, width), that of the class token first, of images (batch, h, w, channels).

        ValueError for images of another size.
        """
        size, channels = self.config.image_size, self.config.channels
        if images.ndim != 4 or images.shape[1:] != (size, size, channels):
            raise ValueError(f"images must have the shape (batch, {size}, {size}, {channels}), not {images.shape}")
        with jax.named_scope("patch"):
            x = self.patch(cut_patches(images, self.config.patch_size))
        first = jnp.broadcast_to(self.class_token[...], (x.shape[0], 1, x.shape[-1]))
        with jax.named_scope("positions"):
            x = jnp.concatenate([first, x], axis=1) + self.positions(jnp.arange(self.config.tokens))
        with jax.named_scope("layers"):
            x = run_layers(self.layers, x, None)
        with jax.named_scope("final_norm"):
            return self.final_norm(x)

    def embed(self, images: Array) -> Array:
        """One vector per image (batch, width): that of the class token."""
        return self(images)[:, 0]

    def classify(self, images: Array) -> Array:
        """Logits (batch, classes) of images (batch, height, width, channels); ValueError without a classifier."""
        if self.classifier is None:
            raise ValueError("this vision transformer has no classifier: its configuration names no labels")
        x = self.embed(images)
        with jax.named_scope("classifier"):
            return self.classifier(x)
