"""A small vision transformer in plain flax nnx, and its weights from a folder.

Modules: `config` (the shape of a model and how it wants its images), `model` (the network: the layers of
`models.encoder` over patches of an image), `load` (`load_vision`, and `check_vision`, which refuses a bad folder
without JAX). Only `model` imports JAX.
"""
