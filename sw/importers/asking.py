"""Options that only the caller knows: all that are missing are asked for in one message."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Missing"]


class Missing(ValueError):  # noqa: N818 (the name is the sentence)
    """Options that must be given.

    Parameters
    ----------
    asks : mapping of str to str
        By the name of an option, what to give and why: a sentence that begins with the name and
        "must be given".
    hint : str
        What may be given in their place, or "".

    Attributes
    ----------
    asks : dict of str to str
    hint : str
        The same.
    """

    def __init__(self, asks: Mapping[str, str], hint: str = "") -> None:
        self.asks, self.hint = dict(asks), hint
        texts = list(self.asks.values())
        if len(texts) > 1:
            parts = "; ".join(text.replace(" must be given", "", 1) for text in texts)
            texts = [f"{', '.join(self.asks)} must be given: {parts}"]
        super().__init__(f"{texts[0]}; {hint}" if hint else texts[0])
