"""The shape of a vision transformer, and how Hugging Face folders state it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from models.encoder.config import ACTIVATIONS, Activation
from models.encoder.fields import Fields, check_sizes, is_number


@dataclasses.dataclass(frozen=True, kw_only=True)
class VisionConfig:
    """Sizes and constants of a vision transformer.

        x = [class token, patch(image)] + position
        x = x + output(attention(query(h), key(h), value(h))),   h = LayerNorm(x)          in each layer
        x = x + down(gelu(up(h))),                               h = LayerNorm(x)
        logits = classifier(LayerNorm(x)[class token])

    Left out: other image sizes than the weights were trained for (interpolated positions), pooling by a mean,
    distillation tokens (DeiT).

    Dosovitskiy et al., An Image Is Worth 16x16 Words, 2021.
    """

    layers: int
    width: int
    heads: int
    hidden_width: int
    image_size: int
    """Height and width of an image, in pixels."""
    patch_size: int
    """Height and width of a patch, in pixels."""
    channels: int
    activation: Activation
    norm_epsilon: float
    input_bias: bool
    """Whether the query, key and value products add a bias."""
    labels: tuple[str, ...]
    """Classes of the classifier; empty where the model has none."""
    channel_mean: tuple[float, ...]
    """What is subtracted from each channel of an image in [0, 1]."""
    channel_deviation: tuple[float, ...]
    """What each channel is divided by after that."""

    def __post_init__(self) -> None:
        check_sizes(self, ("layers", "width", "heads", "hidden_width", "image_size", "patch_size", "channels"))
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size ({self.image_size}) must be a multiple of patch_size ({self.patch_size})")
        if not self.norm_epsilon > 0:
            raise ValueError(f"norm_epsilon must be above 0, not {self.norm_epsilon!r}")
        if not len(self.channel_mean) == len(self.channel_deviation) == self.channels:
            raise ValueError(f"channel_mean and channel_deviation must have one number for each of {self.channels}")
        if not all(deviation > 0 for deviation in self.channel_deviation):
            raise ValueError(f"channel_deviation must be above 0, not {self.channel_deviation}")

    @property
    def patches(self) -> int:
        """Patches of one image."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def tokens(self) -> int:
        """Vectors that go through the layers for one image: its patches and the class token."""
        return self.patches + 1

    @property
    def parameters(self) -> int:
        """Number of weights and biases, those of a classifier included."""
        patch = (self.channels * self.patch_size**2 + 1) * self.width
        layer = 4 * self.width * (self.width + 1) - (0 if self.input_bias else 3 * self.width)
        layer += 2 * self.width * self.hidden_width + self.hidden_width + self.width + 4 * self.width
        return patch + (self.tokens + 3 + len(self.labels)) * self.width + self.layers * layer + len(self.labels)

    @classmethod
    def from_huggingface(
        cls, config: Mapping[str, Any], preprocessor: Mapping[str, Any], *, classes: int
    ) -> "VisionConfig":
        """From a `config.json` with `model_type` vit; absent fields take the defaults of transformers' ViTConfig.

        `preprocessor` is the content of `preprocessor_config.json`, `classes` the number of rows of the stored
        classifier. Without a preprocessor channels are brought to [-1, 1], its default. ValueError names what is
        missing or unsupported.
        """
        field = Fields(config)
        field.only("model_type", ("vit",), None)
        act = field.only("hidden_act", tuple(ACTIVATIONS), "gelu")
        channels = field.integer("num_channels", 3)
        mean, deviation = _normalisation(Fields(preprocessor, "preprocessor_config.json"), channels)
        return cls(
            layers=field.integer("num_hidden_layers", 12),
            width=field.integer("hidden_size", 768),
            heads=field.integer("num_attention_heads", 12),
            hidden_width=field.integer("intermediate_size", 3072),
            image_size=field.integer("image_size", 224),
            patch_size=field.integer("patch_size", 16),
            channels=channels,
            activation=ACTIVATIONS[act],
            norm_epsilon=field.number("layer_norm_eps", 1e-12),
            input_bias=bool(field.value("qkv_bias", True)),
            labels=field.labels(classes) if classes else (),
            channel_mean=mean,
            channel_deviation=deviation,
        )


def _normalisation(field: Fields, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    field.only("do_rescale", (True,), True)
    if abs(field.number("rescale_factor", 1 / 255) * 255 - 1) > 1e-6:
        raise ValueError("'rescale_factor' in preprocessor_config.json must be 1/255")
    if not field.value("do_normalize", True):
        return (0.0,) * channels, (1.0,) * channels
    found = [field.value(name, [0.5] * channels) for name in ("image_mean", "image_std")]
    for name, values in zip(("image_mean", "image_std"), found, strict=True):
        if not isinstance(values, list) or not all(map(is_number, values)):
            raise ValueError(f"{name!r} in preprocessor_config.json must be a list of numbers, not {values!r}")
    return tuple(map(float, found[0])), tuple(map(float, found[1]))
