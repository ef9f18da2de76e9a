"""Writes golden_encoders.json: what the transformers library on PyTorch says about the tiny random encoders.

Run it in an environment of its own, since PyTorch is no dependency of this project; README.md beside it has the recipe:

    python make_golden.py golden_encoders.json
"""

import json
import platform
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import tiny_encoders as tiny

DIGITS = 6
"""Decimals that are kept of numbers of the order of one."""


def main(destination: Path) -> None:
    """Computes vectors and logits in float32, every text alone and without padding, and writes them."""
    import numpy as np
    import tokenizers
    import torch
    import transformers

    torch.manual_seed(0)
    golden: dict = {
        "about": {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        }
    }
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for config in (tiny.BERT, tiny.ROBERTA):
            name = config["model_type"]
            path = tiny.write_encoder(Path(folder) / name, config)
            model = _loaded(transformers.AutoModelForSequenceClassification, path)
            tokenizer = tiny.word_tokenizer()
            entries = []
            for text in tiny.TEXTS:
                ids = tokenizer.encode(text).ids
                tokens = torch.tensor([ids])
                vectors = getattr(model, name)(tokens).last_hidden_state[0]
                entries.append(
                    {
                        "text": text,
                        "tokens": ids,
                        "first_vector": _listed(vectors[0]),
                        "mean_vector": _listed(vectors.mean(dim=0)),
                        "logits": _listed(model(tokens).logits[0]),
                    }
                )
            golden[name] = entries
        path = tiny.write_vision(Path(folder) / "vit")
        model = _loaded(transformers.AutoModelForImageClassification, path)
        mean, deviation = (np.float32(tiny.PREPROCESSOR[key]) for key in ("image_mean", "image_std"))
        pixels = torch.tensor(((tiny.random_images() - mean) / deviation).transpose(0, 3, 1, 2))
        vectors = model.vit(pixels).last_hidden_state
        golden["vit"] = [
            {"class_vector": _listed(v[0]), "last_vector": _listed(v[-1]), "logits": _listed(row)}
            for v, row in zip(vectors, model(pixels).logits, strict=True)
        ]
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in golden.items())
    destination.write_text(f"{{{lines}}}\n")


def _loaded(kind, path: Path):
    """A model whose every weight came from the file."""
    model, report = kind.from_pretrained(path, output_loading_info=True)
    assert not any(report.values()), report
    return model.eval()


def _listed(values) -> list[float]:
    return [round(float(value), DIGITS) for value in values]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
