import pytest

from experiments.model_source import model_type


@pytest.mark.parametrize(
    ("content", "expected"),
    [('{"model_type": "bert"}', "bert"), ("{}", None), ("[]", None), ('{"model_type": 3}', None), ("{", None)],
)
def test_the_kind_is_read_from_the_configuration(tmp_path, content, expected):
    (tmp_path / "config.json").write_text(content)
    assert model_type(str(tmp_path)) == expected


def test_what_is_no_folder_has_no_kind(tmp_path):
    (tmp_path / "model.gguf").touch()
    assert model_type(str(tmp_path / "model.gguf")) is None
    assert model_type(str(tmp_path / "absent")) is None
    assert model_type("smollm2-135m") is None
