"""Moonshine tiny-en, run with onnxruntime from the weights of the `moonshine-voice` wheel.

An encoder turns the audio of a segment into features, a decoder writes the text token
by token. The wheel's own runtime (a large shared library) is not used.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime
from msgspec.structs import replace

from .alignment import Aligner, load_aligner
from .base import Recognition, RecognitionOptions
from .beams import search
from .bias import Bias, Spellings
from .resample import SAMPLE_RATE, Samples
from .results import Word, has_period, split_mark, spread
from .segmented import SegmentedRecognition
from .segments import has_voice
from .speaker_models import find_speaker_models
from .vocabulary import Vocabulary, spell

__all__ = ["MoonshineEngine", "load"]

_Array = npt.NDArray[np.float32]
_Mask = npt.NDArray[np.bool_]

_START, _END = 1, 2  # tokens
_WORD_START = "\u2581".encode()
_TOKENS_PER_SECOND = 6.5  # more is a loop, not speech (the model's authors' bound)
_HEADS, _HEAD_SIZE = 8, 36

_MARKS = b".,?!;:"
_SPECIAL = re.compile(rb"<.*>")
_NO_LETTERS = re.compile(rb"[^a-z0-9\x80-\xff]+")

# On breath, noise and music the model invents text: a few unlikely tokens, far fewer than
# speech of that length has, or an endless loop. Speech has 2.5 to 6 tokens a second.
_FEW_TOKENS = 3
_FEW_TOKENS_CONFIDENCE = 0.6
_FEWEST_TOKENS_PER_SECOND = 1.0
_RATE_SECONDS = 2.0  # shorter segments may have fewer
_LONGEST_LOOP = 24  # tokens
_LAST_LATIN_LETTER = "\u024f"  # the model writes others only where nothing was said
_LEAST_SECONDS = 0.2  # the encoder takes no less

_BEAMS = 6  # with a vocabulary


def load() -> MoonshineEngine:
    """Load the model.

    :raises ImportError: The weights are not installed.
    """
    spec = importlib.util.find_spec("moonshine_voice")  # found without being imported
    if spec is None or spec.origin is None:
        raise ImportError("No module named 'moonshine_voice'")
    weights = Path(spec.origin).parent / "assets" / "tiny-en"
    if not weights.is_dir():
        raise ImportError("this version of moonshine-voice has no tiny-en weights")
    return MoonshineEngine(Model(weights), load_aligner())


class MoonshineEngine:
    """The engine: one model and one aligner for all streams.

    :param model: The model.
    :param aligner: Gives words their times; without one the times are estimated.
    """

    name = "Moonshine tiny-en"
    languages: tuple[str, ...] = ("en-US",)
    quick = False
    takes_vocabularies = True

    @property
    def tells_speakers(self) -> bool:
        """Whether the models that tell speakers apart are installed."""
        return find_speaker_models() is not None

    def __init__(self, model: Model, aligner: Aligner | None) -> None:
        self._model: Model | None = model
        self._aligner = aligner

    def open(self, options: RecognitionOptions) -> Recognition:
        """Begin a stream."""
        if self._model is None:
            raise RuntimeError("the engine is closed")
        decoder = _Decoder(self._model, self._aligner, options.vocabulary)
        return SegmentedRecognition(options, decoder)

    def close(self) -> None:
        """Release the model; streams that are still open keep it until they end."""
        self._model = self._aligner = None


@dataclass(frozen=True)
class _Spelling:
    """A word as the tokens spell it.

    :param text: The word without the mark.
    :param mark: The punctuation behind it.
    :param confidence: The least likelihood among its tokens, marks left out.
    :param body_end: The position after the last token of `text`.
    """

    text: str
    mark: str
    confidence: float
    body_end: int


class _Decoder:
    """The segments of one stream."""

    incremental = False

    def __init__(
        self, model: Model, aligner: Aligner | None, vocabulary: Vocabulary | None
    ) -> None:
        self._model = model
        self._aligner = aligner
        self._bias = Bias(vocabulary, model.spellings) if vocabulary is not None else None
        self.begin()

    def begin(self) -> None:
        self._tokens: list[int] = []  # of the last hypothesis of the segment
        self._spelling: list[_Spelling] = []

    def partial(self, samples: Samples, keep: int) -> list[Word]:
        seconds = len(samples) / SAMPLE_RATE
        if seconds < _LEAST_SECONDS:
            return []
        kept = self._spelling[:keep]
        forced = self._tokens[: kept[-1].body_end] if kept else []
        following = self._model.may_follow(kept[-1].text) if kept else None
        heard = self._model.encode(_as_wave(samples))
        tokens, likelihoods = self._model.decode(
            heard, draft=self._tokens, forced=len(forced), following=following
        )
        spelling = list(self._model.spell(tokens, likelihoods))
        # Judged without the vocabulary, which would make names of noise.
        is_speech = bool(keep) or _is_speech(samples, likelihoods, spelling)
        if self._bias is not None and is_speech:
            found = self._model.search(
                heard, _BEAMS, bias=self._bias, forced=forced, following=following
            )
            if found:
                tokens, likelihoods = found[0]
                spelling = list(self._model.spell(tokens, likelihoods))
        self._tokens, self._spelling = tokens, spelling
        return _estimate_times(spelling, seconds) if is_speech else []

    def final(self, samples: Samples, keep: int) -> list[Word]:
        if not keep:
            self.begin()  # a draft would bring the rounding of earlier results into this one
        return self.partial(samples, keep)

    def place(self, samples: Samples, words: list[Word]) -> list[Word]:
        times = self._aligner.align(samples, [w.text for w in words]) if self._aligner else None
        if times is None:
            return words
        return [replace(w, start=a, end=b) for w, (a, b) in zip(words, times, strict=True)]

    def readings(self, samples: Samples, count: int) -> Iterator[list[Word]]:
        heard = self._model.encode(_as_wave(samples))
        width = count + 1 if self._bias is None else max(count + 1, _BEAMS)
        for tokens, likelihoods in self._model.search(heard, width, bias=self._bias):
            spelling = list(self._model.spell(tokens, likelihoods))
            if not _is_foreign(spelling):
                yield _estimate_times(spelling, len(samples) / SAMPLE_RATE)

    def close(self) -> None:
        pass


def _as_wave(samples: Samples) -> _Array:
    wave: _Array = np.divide(samples, np.float32(32768), dtype=np.float32)
    return wave


def _is_speech(
    samples: Samples, likelihoods: Sequence[float], spelling: Sequence[_Spelling]
) -> bool:
    """Tell whether the tokens of a segment were said rather than invented."""
    count, seconds = len(likelihoods), len(samples) / SAMPLE_RATE
    if not count or (seconds > _RATE_SECONDS and count < _FEWEST_TOKENS_PER_SECOND * seconds):
        return False
    if count <= _FEW_TOKENS and math.prod(likelihoods) ** (1 / count) < _FEW_TOKENS_CONFIDENCE:
        return False
    return not _is_foreign(spelling) and has_voice(samples)


def _is_foreign(spelling: Sequence[_Spelling]) -> bool:
    return any(letter > _LAST_LATIN_LETTER for word in spelling for letter in word.text)


def _estimate_times(spelling: Sequence[_Spelling], seconds: float) -> list[Word]:
    times = spread([word.text for word in spelling], 0.0, seconds)
    return [
        Word(word.text, start, end, word.confidence, word.mark)
        for word, (start, end) in zip(spelling, times, strict=True)
    ]


class Heard(NamedTuple):
    """What the encoder makes of a segment.

    :param features: What the decoder reads.
    :param most_tokens: The most tokens that speech of its length has.
    """

    features: _Array
    most_tokens: int


class Model:
    """The network and its vocabulary; safe to use from several threads.

    :param directory: Where the encoder, the decoder and the vocabulary are.
    """

    def __init__(self, directory: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._encoder: Any  # a run gives arrays here, which onnxruntime does not promise
        self._decoder: Any
        self._encoder, self._decoder = (
            onnxruntime.InferenceSession(
                str(directory / name), options, providers=["CPUExecutionProvider"]
            )
            for name in ("encoder_model.ort", "decoder_model_merged.ort")
        )
        self._past_names = [
            node.name for node in self._decoder.get_inputs() if node.name.startswith("past")
        ]
        self._vocabulary = list(_read_vocabulary((directory / "tokenizer.bin").read_bytes()))
        opening = np.array([token.startswith(_WORD_START) for token in self._vocabulary])
        opening[_END] = True
        marks = np.array([bool(t) and not t.strip(_MARKS) for t in self._vocabulary])
        self._opening: _Mask = opening
        self._marks: _Mask = marks
        self._periods: _Mask = np.array([token[:1] == b"." for token in self._vocabulary])

    @cached_property
    def spellings(self) -> Spellings:
        """What the tokens spell, for the bias towards vocabularies."""
        texts = (self._bytes(token) for token in range(len(self._vocabulary)))
        spelled = ["\0" if _SPECIAL.fullmatch(text) else spell(_as_text(text)) for text in texts]
        return Spellings(spelled, _END)

    def encode(self, audio: _Array) -> Heard:
        """Run the encoder.

        :param audio: The segment at 16 kHz, -1 to 1.
        """
        batch = audio[None, :]
        mask = np.ones(batch.shape, np.int64)
        (features,) = self._encoder.run(None, {"input_values": batch, "attention_mask": mask})
        return Heard(features, _most_tokens(audio))

    def decode(
        self,
        heard: Heard,
        *,
        draft: Sequence[int] = (),
        forced: int = 0,
        following: _Mask | None = None,
    ) -> tuple[list[int], list[float]]:
        """Return the most likely tokens, chosen one by one, and their likelihoods.

        :param heard: The segment.
        :param draft: The tokens of an earlier hypothesis. They are checked in one run of
            the decoder; only what differs is decoded token by token. Except for
            rounding, the result is the same without them.
        :param forced: How many tokens of the draft are kept, likely or not.
        :param following: Which tokens may follow the forced ones.
        """
        limit = max(forced + 1, heard.most_tokens)
        draft = list(draft[: limit - 1])
        features = heard.features
        (scores,), past = self._step(features, [[_START, *draft]], self._nothing_past())
        tokens: list[int] = []
        likelihoods: list[float] = []

        def take(row: _Array) -> int:
            position = len(tokens)
            if position < forced:
                token = draft[position]
            else:
                if position == forced and following is not None:
                    row = np.where(following, row, -np.inf)
                token = int(np.argmax(row))
            weights = np.exp(row - np.max(row))
            likelihood = float(weights[token] / np.sum(weights))
            if token != _END:
                tokens.append(token)
                likelihoods.append(likelihood)
            return token

        for position in range(len(draft) + 1):
            token = take(scores[position])
            if token == _END:
                return tokens, likelihoods
            if position == len(draft) or token != draft[position]:
                break
        past = [
            values if ".encoder." in name else values[:, :, : len(tokens)]
            for name, values in zip(self._past_names, past, strict=True)
        ]
        while len(tokens) < limit:
            (scores,), past = self._step(features, [tokens[-1:]], past)
            if take(scores[0]) == _END:
                return tokens, likelihoods
        length = max(forced, _loop_start(tokens))
        return tokens[:length], likelihoods[:length]

    def search(
        self,
        heard: Heard,
        width: int,
        *,
        bias: Bias | None = None,
        forced: Sequence[int] = (),
        following: _Mask | None = None,
    ) -> list[tuple[list[int], list[float]]]:
        """Return likely texts, likeliest first; see `beams.search`.

        :param heard: The segment.
        :param width: How many texts are followed at a time.
        :param bias: Towards the phrases of a vocabulary.
        :param forced: The tokens with which every text begins.
        :param following: Which tokens may follow these.
        :returns: Tokens and their likelihoods.
        """
        past = self._nothing_past()
        known: list[float] = []  # likelihoods of the forced tokens
        if forced:
            (scores,), past = self._step(heard.features, [[_START, *forced[:-1]]], past)
            logs = _log_likelihoods(scores)
            known = [math.exp(row[token]) for row, token in zip(logs, forced, strict=True)]

        def follow(newest: list[int], rows: list[int]) -> _Array:
            nonlocal past, following
            past = [  # the encoder's keys and values serve all rows
                values if ".encoder." in name else values[rows]
                for name, values in zip(self._past_names, past, strict=True)
            ]
            scores, past = self._step(heard.features, [[token] for token in newest], past)
            logs = _log_likelihoods(scores[:, -1])
            if following is not None:
                logs = np.where(following, logs, -np.inf)
                following = None
            return logs

        texts = search(
            follow,
            self._letters,
            start=forced[-1] if forced else _START,
            end=_END,
            width=width,
            most_tokens=max(1, heard.most_tokens - len(forced)),
            bias=bias,
            place=bias.walk(forced) if bias else "",
        )
        return [([*forced, *tokens], known + likelihoods) for tokens, likelihoods in texts]

    def spell(self, tokens: Sequence[int], likelihoods: Sequence[float]) -> Iterator[_Spelling]:
        """Return the words that the tokens spell."""
        starts = [n for n, t in enumerate(tokens) if n == 0 or self._opens_word(t)]
        for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
            pieces = [self._bytes(token) for token in tokens[start:end]]
            whole = _as_text(b"".join(pieces)).strip()
            text, mark = split_mark(whole)
            body_end, over = end, len(mark)
            while over > 0 and self._marks[tokens[body_end - 1]]:
                body_end -= 1
                over -= len(pieces[body_end - start])
            if any(letter.isalnum() for letter in text):
                yield _Spelling(text, mark, min(likelihoods[start:body_end]), body_end)

    def may_follow(self, text: str) -> _Mask:
        """Return which tokens leave the word before them unchanged: marks, a new word, the end."""
        following = self._opening | self._marks
        if has_period(text):
            following = following & ~self._periods
        return following

    def _nothing_past(self) -> list[_Array]:
        return [np.zeros((1, _HEADS, 0, _HEAD_SIZE), np.float32)] * len(self._past_names)

    def _step(
        self, features: _Array, tokens: Sequence[Sequence[int]], past: Sequence[_Array]
    ) -> tuple[_Array, list[_Array]]:
        """Run the decoder on the next tokens of each text and return the scores after each."""
        continuing = past[0].shape[2] > 0
        feed = {
            "input_ids": np.array(tokens, np.int64),
            "encoder_hidden_states": features,
            # The graph thins out a mask over raw audio; one column means all of it.
            "encoder_attention_mask": np.ones((1, 1), np.int64),
            "use_cache_branch": np.array([continuing]),
            **dict(zip(self._past_names, past, strict=True)),
        }
        scores, *present = self._decoder.run(None, feed)
        if continuing:  # this branch of the graph leaves the encoder's keys and values out
            present = [
                old if ".encoder." in name else new
                for name, old, new in zip(self._past_names, past, present, strict=True)
            ]
        return scores, present

    def _opens_word(self, token: int) -> bool:
        return self._vocabulary[token].startswith(_WORD_START)

    def _letters(self, token: int) -> bytes:
        piece = self._bytes(token).replace(_WORD_START, b"")
        return _NO_LETTERS.sub(b"", piece.lower())

    def _bytes(self, token: int) -> bytes:
        piece = self._vocabulary[token]
        byte = re.fullmatch(rb"<0x([0-9A-F]{2})>", piece)
        return bytes([int(byte[1], 16)]) if byte else piece


def _log_likelihoods(scores: _Array) -> _Array:
    """Return the logarithms of the likelihoods of each row's tokens."""
    scores = scores - np.max(scores, axis=-1, keepdims=True)
    logs: _Array = scores - np.log(np.sum(np.exp(scores), axis=-1, keepdims=True))
    return logs


def _as_text(pieces: bytes) -> str:
    return pieces.replace(_WORD_START, b" ").decode(errors="replace")


def _most_tokens(audio: _Array) -> int:
    return max(3, int(len(audio) / SAMPLE_RATE * _TOKENS_PER_SECOND) + 1)


def _loop_start(tokens: Sequence[int]) -> int:
    """Return where the last tokens begin to repeat themselves; the end if they do not."""
    for period in range(1, min(_LONGEST_LOOP, len(tokens) // 3) + 1):
        start = len(tokens)
        while start > period and tokens[start - 1] == tokens[start - 1 - period]:
            start -= 1
        if len(tokens) - start >= 2 * period:
            return start
    return len(tokens)


def _read_vocabulary(data: bytes) -> Iterator[bytes]:
    """Read the tokens: each its length in one byte, or in two from 128 on, and its bytes."""
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            length += 128 * data[at] - 128
            at += 1
        yield data[at : at + length]
        at += length
