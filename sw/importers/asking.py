"""Options that only the caller knows: all that are missing are asked for in one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["Missing", "ask_together"]

T = TypeVar("T")


class Missing(ValueError):  # noqa: N818 (the name is the sentence)
    """Options that must be given.

    Parameters
    ----------
    asks : mapping of str to str
        By the name of an option, what to give and why: a sentence that begins with the name and
        "must be given".

    Attributes
    ----------
    asks : dict of str to str
        The same.
    """

    def __init__(self, asks: Mapping[str, str]) -> None:
        self.asks = dict(asks)
        texts = list(self.asks.values())
        if len(texts) > 1:
            parts = "; ".join(text.replace(" must be given", "", 1) for text in texts)
            texts = [f"{', '.join(self.asks)} must be given: {parts}"]
        super().__init__(texts[0])


def ask_together(
    read: Callable[[Mapping[str, Any]], T],
    stand_ins: Mapping[str, Any],
    asks: Mapping[str, str],
) -> T:
    """Read a model, and ask for everything that is missing at once.

    Parameters
    ----------
    read : callable
        Reads the model. It gets values to use for options that were not given.
    stand_ins : mapping
        By the name of an option, a value with which reading goes on to the next one.
    asks : mapping of str to str
        What is missing already.

    Raises
    ------
    Missing
        With everything that ``read`` asked for.
    ValueError
        What ``read`` raises, unless a stand-in may be the cause.
    """
    asked, filled = dict(asks), dict[str, Any]()
    while True:
        try:
            result = read(filled)
        except Missing as error:
            new = {name: stand_ins[name] for name in error.asks if name in stand_ins}
            asked |= error.asks
            if not new.keys() - filled.keys():
                raise Missing(asked) from None
            filled |= new
            continue
        except ValueError:
            if not filled:
                raise
            raise Missing(asked) from None
        if asked:
            raise Missing(asked)
        return result
