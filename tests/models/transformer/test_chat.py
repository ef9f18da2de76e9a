"""Chat templates and end tokens from both kinds of files, and templates that fail."""

import json

import pytest

from models.transformer.chat import render_chat, stop_tokens
from models.transformer.load import check_source
from tests.models.transformer.tiny_folder import END_OF_TEXT, TOKENS, write_folder, write_gguf

# Uses what templates of the supported families use: trimmed blocks, loop controls, special tokens, tojson, namespaces.
TEMPLATE = """{%- set ns = namespace(first=true) -%}
{%- if messages[0].role != 'system' %}{{ bos_token }}system: be kind
{% endif %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}{% continue %}{% endif %}
{{ message['role'] }}: {{ message.content | trim }}{{ eos_token }}
{% endfor %}
{%- if add_generation_prompt %}assistant: {{ {'a': 'é<b>'} | tojson }}{% endif %}
"""
RENDERED = 'user: What?<end>\nassistant: {"a": "é<b>"}'


def write_json(folder, name, **fields):
    (folder / name).write_text(json.dumps(fields))


def folder_with(path, template=TEMPLATE, **fields):
    write_folder(path)
    write_json(path, "tokenizer_config.json", **{"chat_template": template, "eos_token": "<end>"} | fields)
    return check_source(path)


def test_template_of_a_folder(tmp_path):
    checkpoint = folder_with(tmp_path, bos_token={"content": "<begin>", "lstrip": False})
    assert render_chat(checkpoint, " What? ") == f"<begin>system: be kind\n{RENDERED}"
    assert render_chat(checkpoint, "What?", system="Be brief.") == f"system: Be brief.<end>\n{RENDERED}"


def test_template_of_a_gguf_file(tmp_path):
    fields = {
        "tokenizer.chat_template": "{{ bos_token }}{{ messages[-1]['content'] }}{{ eos_token }}",
        "tokenizer.ggml.bos_token_id": TOKENS.index("A"),
        "tokenizer.ggml.eos_token_id": 0,
    }
    checkpoint = check_source(write_gguf(tmp_path / "model.gguf", fields=fields))
    assert render_chat(checkpoint, "hello") == f"Ahello{END_OF_TEXT}"
    assert stop_tokens(checkpoint) == (0,)


def test_a_file_of_its_own_goes_first(tmp_path):
    checkpoint = folder_with(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}!")
    assert render_chat(checkpoint, "hello") == "hello!"


def test_of_several_templates_the_default_is_taken(tmp_path):
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "{{ messages[0].content }}?"}]
    assert render_chat(folder_with(tmp_path, named), "hello") == "hello?"


def test_the_day_does_not_matter(tmp_path):
    template = "{{ strftime_now('%d') if strftime_now is defined else '26 Jul 2024' }}"
    assert render_chat(folder_with(tmp_path, template), "hello") == "26 Jul 2024"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('roles must alternate') }}", "cannot render these messages: roles must alternate"),
        ("{% for %}", "cannot render these messages"),
        ("{{ 1 + messages }}", "cannot render these messages"),
        ("{{ missing.field }}", "cannot render these messages: 'missing' is undefined"),
        ("{{ ().__class__.__mro__[1].__subclasses__() }}", "cannot render these messages: .*unsafe"),
        (None, "has no chat template"),
        (["text"], "has no chat template"),
        ({"default": "text"}, "must be text, not a dict"),
    ],
)
def test_refusals(tmp_path, template, message):
    with pytest.raises(ValueError, match=message):
        render_chat(folder_with(tmp_path, template), "hello")


def test_damaged_settings_are_refused(tmp_path):
    checkpoint = folder_with(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(ValueError, match=r"tokenizer_config\.json is not JSON"):
        render_chat(checkpoint, "hello")
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"chat_template\.jinja cannot be read as text"):
        render_chat(checkpoint, "hello")


def test_end_tokens_of_a_folder(tmp_path):
    write_folder(tmp_path)
    assert stop_tokens(check_source(tmp_path)) == ()
    write_json(tmp_path, "tokenizer_config.json", eos_token=END_OF_TEXT)
    assert stop_tokens(check_source(tmp_path)) == (0,)
    write_json(tmp_path, "generation_config.json", eos_token_id=[7, 5])
    write_json(tmp_path, "config.json", **json.loads((tmp_path / "config.json").read_text()), eos_token_id=9)
    assert stop_tokens(check_source(tmp_path)) == (0, 5, 7, 9)


@pytest.mark.parametrize("number", [len(TOKENS), -1, "2", True, 1.0])
def test_end_tokens_outside_the_vocabulary_are_refused(tmp_path, number):
    write_folder(tmp_path)
    write_json(tmp_path, "generation_config.json", eos_token_id=number)
    with pytest.raises(ValueError, match="as a token that ends a text; its vocabulary has the numbers 0 to 259"):
        stop_tokens(check_source(tmp_path))


def test_smollm2(smollm2):
    checkpoint = smollm2.source
    text = render_chat(checkpoint, "Hi", system="Be brief.")
    assert text == ("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    ends = [smollm2.tokenizer.id_to_token(number) for number in stop_tokens(checkpoint)]
    assert ends == ["<|endoftext|>", "<|im_end|>"]
