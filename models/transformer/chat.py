"""What a checkpoint knows about conversations: the template that turns messages into text, and the tokens that end it.

Templates are programs in the Jinja language that come with the weights. They run in Jinja's sandbox, with the settings
and the functions that the transformers library gives them, except for the date: a template that asks for it uses the
one that it keeps as a substitute, so that the same request gives the same text on every day.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.transformer.checkpoint import Checkpoint
from models.transformer.huggingface import read_json
from models.transformer.messages import shortened

_GGUF_ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")

# A GGUF file keeps one or two of the tokens that end a text; these are found by their names, as llama.cpp does.
_END_NAMES = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>")
_CONTROL = 3


def render_chat(checkpoint: Checkpoint, user_text: str, system: str | None = None) -> str:
    """The text that asks the model for its answer to one message, by the template of the checkpoint.

    Encode it with `add_special_tokens=False`: the template writes the special tokens itself. Special tokens that the
    messages spell out are taken as such. Without `system` the template may put in one of its own.

    ValueError if the checkpoint has no template, or if the template is damaged or refuses the messages.
    """
    template = _template(checkpoint)
    if template is None:
        raise ValueError(
            f"the model {checkpoint.path} has no chat template, so it was probably not trained for conversations: "
            "give it a text to continue instead"
        )
    messages = [{"role": "user", "content": user_text}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    values = {"messages": messages, "add_generation_prompt": True, **_special_tokens(checkpoint)}
    try:
        return _environment().from_string(template).render(values)
    except Exception as error:  # a template is a program and may fail in any way
        cause = f"the chat template of {checkpoint.path} cannot render these messages: {error}"
        raise ValueError(shortened(cause)) from error


def stop_tokens(checkpoint: Checkpoint) -> tuple[int, ...]:
    """The numbers, ascending, of the tokens after which a text is over; empty if the checkpoint names none.

    From a GGUF file: its fields of end tokens, and control tokens with one of the usual names. From a folder:
    `eos_token_id` in generation_config.json and config.json, and `eos_token` in tokenizer_config.json. ValueError for
    numbers outside the vocabulary.
    """
    # Checked one by one before they become a set: a damaged file may name what cannot be in one.
    found = list(_gguf_ends(checkpoint) if checkpoint.kind == "gguf" else _folder_ends(checkpoint))
    for number in found:
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < checkpoint.config.vocabulary:
            raise ValueError(
                f"the model {checkpoint.path} names {number!r} as a token that ends a text; its vocabulary has the "
                f"numbers 0 to {checkpoint.config.vocabulary - 1}"
            )
    return tuple(sorted(set(found)))


def _gguf_ends(checkpoint: Checkpoint) -> Iterator[Any]:
    fields = checkpoint.metadata
    yield from (fields[f"tokenizer.ggml.{name}"] for name in _GGUF_ENDS if f"tokenizer.ggml.{name}" in fields)
    types = fields["tokenizer.ggml.token_type"]
    for name in _END_NAMES:
        number = checkpoint.tokenizer.token_to_id(name)
        if number is not None and types[number] == _CONTROL:
            yield number


def _folder_ends(checkpoint: Checkpoint) -> Iterator[Any]:
    for fields in (_optional_json(checkpoint.path / "generation_config.json"), checkpoint.metadata):
        ends = fields.get("eos_token_id")
        if ends is not None:
            yield from ends if isinstance(ends, list) else [ends]
    name = _special_tokens(checkpoint).get("eos_token")
    number = None if name is None else checkpoint.tokenizer.token_to_id(name)
    if number is not None:
        yield number


def _template(checkpoint: Checkpoint) -> str | None:
    if checkpoint.kind == "gguf":
        found = checkpoint.metadata.get("tokenizer.chat_template")
    elif (checkpoint.path / "chat_template.jinja").is_file():
        found = _read_text(checkpoint.path / "chat_template.jinja")
    else:
        found = _optional_json(checkpoint.path / "tokenizer_config.json").get("chat_template")
        if isinstance(found, list):  # several, for tools or retrieval, each with a name
            defaults = [entry for entry in found if isinstance(entry, dict) and entry.get("name") == "default"]
            found = defaults[-1].get("template") if defaults else None
    if found is not None and not isinstance(found, str):
        raise ValueError(f"the chat template of {checkpoint.path} must be text, not a {type(found).__name__}")
    return found


def _special_tokens(checkpoint: Checkpoint) -> dict[str, str]:
    """Texts of the tokens that begin and end a text, `bos_token` and `eos_token`, as far as they are known."""
    texts = {}
    if checkpoint.kind == "gguf":
        tokens = checkpoint.metadata["tokenizer.ggml.tokens"]
        for name in ("bos_token", "eos_token"):
            number = checkpoint.metadata.get(f"tokenizer.ggml.{name}_id")
            if isinstance(number, int) and 0 <= number < len(tokens):
                texts[name] = tokens[number]
        return texts
    fields = _optional_json(checkpoint.path / "tokenizer_config.json")
    for name in ("bos_token", "eos_token"):
        value = fields.get(name)
        value = value.get("content") if isinstance(value, dict) else value  # a token with its options, or its text
        if isinstance(value, str):
            texts[name] = value
    return texts


def _environment() -> Any:
    """Jinja as chat templates expect it (the transformers library, `apply_chat_template`)."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, indent: int | None = None, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent, **options)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    return environment


def _optional_json(file: Path) -> dict[str, Any]:
    try:
        return read_json(file) if file.is_file() else {}
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error}") from error


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as text: {error}") from error
