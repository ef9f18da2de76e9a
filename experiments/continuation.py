"""A text that grows token by token: what is decided, what can be read already, and where two of them part."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

Ending = Literal["stop token", "length", "interrupted"]


@dataclasses.dataclass
class Continuation:
    """What one machine writes after a prompt.

    Attributes:
        tokenizer: that of the model.
        stop_tokens: token ids that end a text.
        length: greatest number of tokens.
        token_ids: tokens so far, a stop token that ended the text included.
        probabilities: of each token, among all tokens at its place (temperature 1).
        ended: why there will be no more, or None while there may be.
    """

    tokenizer: Tokenizer
    stop_tokens: Sequence[int]
    length: int
    token_ids: list[int] = dataclasses.field(default_factory=list)
    probabilities: list[float] = dataclasses.field(default_factory=list)
    ended: Ending | None = None
    _stream: DecodeStream = dataclasses.field(default_factory=lambda: DecodeStream(skip_special_tokens=True))
    _pieces: list[str] = dataclasses.field(default_factory=list)

    def append(self, token_id: int, probability: float) -> None:
        """One more token; a stop token or the greatest length ends the text. Nothing follows its end."""
        if self.ended is not None:
            return
        self.token_ids.append(token_id)
        self.probabilities.append(probability)
        self._pieces.append(self._stream.step(self.tokenizer, token_id) or "")
        if token_id in self.stop_tokens:
            self.ended = "stop token"
        elif len(self.token_ids) == self.length:
            self.ended = "length"

    def interrupt(self) -> None:
        """No more tokens will come, if none has ended the text before."""
        self.ended = self.ended or "interrupted"

    @property
    def text(self) -> str:
        """The text so far, without special tokens.

        A character may take several tokens. While more may come, the bytes of one that is not whole yet are held back;
        at the end they stand as replacement characters, as do bytes in the middle that are no UTF-8.
        """
        if self.ended is None:
            return "".join(self._pieces)
        return self.tokenizer.decode(self.token_ids, skip_special_tokens=True)

    def text_before(self, index: int) -> str:
        """The text of the tokens before one, as far as its characters are whole."""
        return "".join(self._pieces[:index])

    def token(self, index: int) -> str:
        """One token by itself, special ones by name; parts of characters appear as replacement characters."""
        return self.tokenizer.decode([self.token_ids[index]], skip_special_tokens=False)


def first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    """Index of the first place at which two sequences of tokens differ, None if none of the places both have does."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), None)
