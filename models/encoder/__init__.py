"""Models that read a whole sequence at once: a BERT-type encoder in plain flax nnx, and its weights from a folder.

Modules: `config` (the shape of a model), `layers` (attention that sees both ways, layers with their norm before or
after), `model` (the network), `checkpoint` (stored tensors and the parameters they become), `folder` (what
a Hugging Face folder holds), `load` (`load_encoder`, and `check_encoder`, which refuses a bad folder without JAX).

Only `layers`, `model` and `placement` import JAX.
"""
