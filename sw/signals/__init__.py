"""Audio signals: WAV files, and frames of mel bands for words.

Needs numpy; scipy (the extra ``audio``) where the rate of a file has to change. This package may
import ``support`` and ``spec``.
"""

from .mel import MelBands, mel_frames
from .waves import read_wave
from .words import Words, read_words

__all__ = ["MelBands", "Words", "mel_frames", "read_wave", "read_words"]
