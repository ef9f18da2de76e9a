"""Writes golden_families.json: logits of the models of family_weights.py from the transformers library on PyTorch.

Run it from the root of the repository in an environment of its own; README.md beside it has the recipe:

    python -m tests.models.transformer.make_golden_families tests/models/transformer/golden_families.json
"""

import json
import platform
import sys
from pathlib import Path

from tests.models.transformer.family_weights import CONFIGS, LENGTH, SEED, tokens, weight

POSITIONS = (0, 7, LENGTH - 2, LENGTH - 1)
STRIDE = 7
"""Logits kept per position: those of every 7th token number."""


def _entry(family: str, fields: dict) -> dict:
    import torch
    import transformers

    own = {name: value for name, value in fields.items() if name != "model_type"}
    config = transformers.AutoConfig.for_model(fields["model_type"], **own)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    tied = fields["tie_word_embeddings"]
    state = {
        name: torch.from_numpy(weight("model.embed_tokens.weight" if tied and "lm_head" in name else name, old.shape))
        for name, old in model.state_dict().items()
    }
    model.load_state_dict(state, strict=True)
    ids = tokens(family).tolist()
    with torch.no_grad():
        logits = model.eval()(torch.tensor([ids])).logits[0].double()
    return {
        "tensors": sorted(name for name in state if not (tied and name == "lm_head.weight")),
        "positions": POSITIONS,
        "logits": [[round(float(value), 5) for value in logits[t][::STRIDE]] for t in POSITIONS],
        "logsumexp": [round(float(logits[t].logsumexp(dim=-1)), 5) for t in POSITIONS],
    }


def main(destination: Path) -> None:
    """Computes the logits of every family in float32 and writes the chosen ones."""
    import numpy
    import torch
    import transformers

    about = {
        "seed": SEED,
        "stride": STRIDE,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }
    entries = ",\n".join(f"{json.dumps(name)}: {json.dumps(_entry(name, fields))}" for name, fields in CONFIGS.items())
    destination.write_text(f'{{"about": {json.dumps(about)},\n"families": {{\n{entries}\n}}}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]))
