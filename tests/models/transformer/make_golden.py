"""Writes golden_smollm2.json: logits of SmolLM2-135M from an independent implementation (transformers on PyTorch).

Run it in an environment of its own, since PyTorch is no dependency of this project; README.md beside it has the recipe:

    python make_golden.py FILE.gguf golden_smollm2.json
"""

import hashlib
import json
import platform
import sys
from pathlib import Path

PROMPTS = {
    "fact": "The capital of France is",
    "code": "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "chat": "<|im_start|>user\nWhat is 12 + 30?<|im_end|>\n<|im_start|>assistant\n",
    "unicode": "Naïve café, 東京 and π ≈ 3.14159:",
    "paragraph": (
        "Photosynthesis is the process by which green plants and some other organisms use sunlight to synthesize "
        "nutrients from carbon dioxide and water. Photosynthesis in plants generally involves the green pigment "
        "chlorophyll and generates oxygen as a by-product. Most of the life on Earth depends on this process, which "
        "also removes carbon dioxide from the atmosphere and stores the energy of the sun in the form of sugars."
    ),
}
POSITIONS = 3
"""How many of the last positions of each prompt are kept."""

STRIDE, TOP = 1537, 5
"""Logits kept per position: every 1537th token number (1537 shares no factor with the vocabulary) and the largest."""


def main(gguf: Path, destination: Path) -> None:
    """Computes the logits of every prompt in float32 and writes the chosen ones."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    entries = {}
    for name, text in PROMPTS.items():
        ids = tokenizer(text, add_special_tokens=False).input_ids
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].double()
        shares = torch.log_softmax(logits[:-1], dim=-1)
        loss = -shares.gather(1, torch.tensor(ids[1:])[:, None]).mean()
        entries[name] = {
            "text": text,
            "tokens": ids,
            "loss_nats": float(loss),
            "last_positions": [_position(row) for row in logits[-POSITIONS:]],
        }
    about = {
        "file": gguf.name,
        "sha256": hashlib.sha256(gguf.read_bytes()).hexdigest(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
    destination.write_text(f'{{"about": {json.dumps(about)},\n"prompts": {{\n{lines}\n}}}}\n')


def _position(row) -> dict:
    """The chosen logits of one position, largest first after the regular ones, and their log-sum-exp."""
    chosen = [*range(0, len(row), STRIDE), *row.topk(TOP).indices.tolist()]
    return {
        "token_ids": chosen,
        "logits": [round(float(row[i]), 5) for i in chosen],
        "logsumexp": round(float(row.logsumexp(dim=-1)), 5),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
