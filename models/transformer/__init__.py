"""The digital model: a Llama-type transformer in plain flax nnx, and its weights and tokenizer from files.

Modules: `config` (the shape of a model), `model` (the network), `stack` (its layers, stacked and scanned), `cache`
(keys and values of what it has read), `sampling` (the next token), `gguf_file` and `huggingface` (two kinds of weight
files), `from_gguf` and `from_huggingface` (the shape that they state), `tokenizer`, `chat` (messages as text, and when
to stop), `checkpoint` (tensor names and where they go), `load` (the one function that most callers want, `load_model`,
and `check_source`, which refuses a bad source without JAX).

Only `model`, `stack`, `cache`, `sampling` and `placement` import JAX, so that a command can refuse a bad model in a
fraction of a second.
"""
