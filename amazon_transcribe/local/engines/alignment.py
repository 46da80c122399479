"""Word times by forced alignment: the text is known, its place in the audio is not.

PocketSphinx finds the most likely path through the text's phonemes. It needs the
pronunciation of every word: its dictionary's, or a rough one from the spelling, which
is good enough to find a word between its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from .resample import SAMPLE_RATE, Samples
from .results import ABBREVIATIONS, spread

__all__ = ["Aligner", "load_aligner", "pronounce", "spoken"]

_FRAMES_PER_SECOND = 100
_CHUNK = SAMPLE_RATE // 10  # samples; PocketSphinx holds the GIL: 1 ms for each chunk
_MOST_ADDED_WORDS = 20_000  # to the decoder, before it is loaded again

_ABBREVIATIONS = {f"{short.lower()}.": spoken for short, spoken in ABBREVIATIONS.items()}
_SIGNS = {"$": "dollars", "£": "pounds", "€": "euros", "%": "percent", "&": "and", "+": "plus"}

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"))

_PIECE = re.compile(r"[a-z']+|\d[\d,]*|[$£€%&+]")

# Spelling to the phonemes of the CMU dictionary, longest match first.
_PHONEMES = {
    "tion": "SH AH N", "sion": "ZH AH N", "ough": "AO", "augh": "AO", "eigh": "EY",
    "igh": "AY", "tch": "CH", "sch": "SH", "dge": "JH", "air": "EH R", "ear": "IH R",
    "ai": "EY", "au": "AO", "aw": "AO", "ay": "EY", "ch": "CH", "ck": "K", "ea": "IY",
    "ee": "IY", "ei": "IY", "er": "ER", "eu": "UW", "ew": "UW", "ey": "IY", "gh": "G",
    "ie": "IY", "ir": "ER", "kn": "N", "ng": "NG", "oa": "OW", "oi": "OY", "oo": "UW",
    "or": "AO R", "ou": "AW", "ow": "OW", "oy": "OY", "ph": "F", "qu": "K W", "sh": "SH",
    "th": "TH", "ue": "UW", "ui": "UW", "ur": "ER", "wh": "W", "wr": "R",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH",
    "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P",
    "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S",
    "y": "IY", "z": "Z",
}  # fmt: skip
_LONGEST_SPELLING = max(map(len, _PHONEMES))


def load_aligner() -> Aligner | None:
    """Load the aligner; None where PocketSphinx is not installed."""
    try:
        import pocketsphinx
    except ImportError:  # no wheel for every platform that Moonshine runs on
        return None
    return Aligner(pocketsphinx)


class Aligner:
    """An aligner of texts, one after the other; may be used from several threads.

    :param pocketsphinx: The module.
    """

    def __init__(self, pocketsphinx: Any) -> None:
        self._pocketsphinx = pocketsphinx
        path = Path(pocketsphinx.get_model_path(), "en-us", "cmudict-en-us.dict")
        self._dictionary = b"\n" + path.read_bytes()
        self._lock = Lock()
        self._load()

    def align(self, samples: Samples, words: Sequence[str]) -> list[tuple[float, float]] | None:
        """Return where each word begins and ends, in seconds.

        A word that cannot be spoken (a lone sign) takes no time. The result does not
        depend on earlier calls.

        :param samples: The audio at 16 kHz.
        :param words: What is said in it, all of it.
        :returns: None if the text does not fit the audio.
        """
        pieces = [list(spoken(word)) for word in words]
        text = [piece for word in pieces for piece in word]
        if not text:
            return None
        with self._lock:
            frames = self._align(samples, text)
        if frames is None:
            return None
        times = []
        at = 0
        last = 0.0
        for word in pieces:
            of_word = frames[at : at + len(word)]
            at += len(word)
            first, last = (of_word[0][0], of_word[-1][1]) if of_word else (last, last)
            times.append((first, last))
        return times

    def _load(self) -> None:
        # Wider beams than the default: the only path through the text must survive. PocketSphinx
        # would read its dictionary for 0.2 seconds in which no other thread runs.
        self._decoder = self._pocketsphinx.Decoder(
            samprate=SAMPLE_RATE,
            lm=None,
            dict=None,
            beam=1e-80,
            pbeam=1e-80,
            wbeam=1e-60,
            loglevel="FATAL",
        )
        self._added = 0

    def _align(self, samples: Samples, text: Sequence[str]) -> list[tuple[float, float]] | None:
        if self._added > _MOST_ADDED_WORDS:
            self._load()
        decoder = self._decoder
        for word in text:
            if decoder.lookup_word(word) is None:
                for name, phonemes in pronunciations(self._dictionary, word):
                    decoder.add_word(name, phonemes, False)
                    self._added += 1
        try:
            decoder.set_align_text(" ".join(text))
            decoder.reinit_feat()  # forget the noise and the channel of the text before
            decoder.start_utt()
            for at in range(0, len(samples), _CHUNK):
                decoder.process_raw(samples[at : at + _CHUNK].tobytes())
            decoder.end_utt()
            found = [
                (part.start_frame / _FRAMES_PER_SECOND, (part.end_frame + 1) / _FRAMES_PER_SECOND)
                for part in decoder.seg() or ()
                if part.word[0] not in "<[+"
            ]
        except RuntimeError:  # PocketSphinx could not align it: the caller has estimates
            self._load()
            return None
        if len(found) < len(text) / 2:
            return None
        # The path may end before the text does, most often at an indistinct last word.
        left = text[len(found) :]
        found += spread(left, found[-1][1], len(samples) / SAMPLE_RATE)
        return found


def spoken(word: str) -> Iterator[str]:
    """Return a written word as it is spoken, in words of the letters a-z and '.

    >>> list(spoken("$120"))
    ['one', 'hundred', 'twenty', 'dollars']
    """
    word = word.lower().replace("\u2019", "'")
    if word in _ABBREVIATIONS:
        yield from _ABBREVIATIONS[word].split()
        return
    signs = []
    for piece in _PIECE.findall(word):
        if piece in _SIGNS:
            signs.append(_SIGNS[piece])
        elif piece[0].isdigit():
            yield from _spoken_number(int(piece.replace(",", "")))
        elif piece.strip("'"):
            yield piece
    yield from signs


def pronunciations(dictionary: bytes, word: str) -> Iterator[tuple[str, str]]:
    """Yield each pronunciation of a word, in phonemes, with the name that PocketSphinx gives it.

    >>> list(pronunciations(b"\\nto T UW\\nto(2) T IH\\ntoad T OW D\\n", "to"))
    [('to', 'T UW'), ('to(2)', 'T IH')]
    """
    start = dictionary.find(f"\n{word} ".encode()) + 1
    if not start:
        yield word, pronounce(word)
    while start and dictionary.startswith((f"{word} ".encode(), f"{word}(".encode()), start):
        end = dictionary.index(b"\n", start)
        name, _, phonemes = dictionary[start:end].decode().partition(" ")
        yield name, phonemes
        start = end + 1


def pronounce(word: str) -> str:
    """Return a rough pronunciation of a word in phonemes of the CMU dictionary."""
    phonemes = []
    at = 0
    while at < len(word):
        for length in range(_LONGEST_SPELLING, 0, -1):
            spelling = word[at : at + length]
            if spelling in _PHONEMES:
                phonemes.append(_PHONEMES[spelling])
                at += length - 1
                break
        at += 1
    return " ".join(phonemes) or "AH"


def _spoken_number(number: int) -> Iterator[str]:
    if number >= 10**12:
        for digit in str(number):
            yield _UNITS[int(digit)]
        return
    for size, name in _SCALES:
        if number >= size:
            yield from _spoken_number(number // size)
            yield name
            number %= size
            if not number:
                return
    if number >= 100:
        yield from (_UNITS[number // 100], "hundred")
        number %= 100
        if not number:
            return
    if number >= 20:
        yield _TENS[number // 10 - 2]
        number %= 10
        if not number:
            return
    yield _UNITS[number]
