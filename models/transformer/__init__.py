"""The digital model: a Llama-type transformer in plain flax nnx, and its weights and tokenizer from files.

Modules: `config` (the shape of a model), `model` (the network), `stack` (its layers, stacked and scanned), `gguf_file`
and `huggingface` (two kinds of weight files), `tokenizer`, `checkpoint` (tensor names and where they go), `load` (the
one function that most callers want, `load_model`, and `check_source`, which refuses a bad source without JAX).

Only `model`, `stack` and `placement` import JAX, so that a command can refuse a bad model in a fraction of a second.
"""
