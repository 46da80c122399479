"""The encodings of the audio, in chunks of any size."""

from __future__ import annotations

import random
import sys
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe.exceptions import BadRequestException
from amazon_transcribe.local.recognition.containers import _CRC16, FlacFrames
from amazon_transcribe.local.recognition.decoders import open_decoder, unsupported_reason
from tests.support.sounds import encoded, interleaved, recording

pytest.importorskip("av")

SOUND, RATE = recording("goforward")
CONTAINERS = ("flac", "ogg-opus")


def decode(
    data: bytes, encoding: str, *, sizes: int = 3200, rate: int = RATE, channels: int = 1
) -> bytes:
    decoder = open_decoder(encoding, rate, channels)
    pcm, at = bytearray(), 0
    chance = random.Random(sizes)
    while at < len(data):
        size = chance.randint(1, sizes)
        for block in decoder.accept(data[at : at + size]):
            pcm += block
        at += size
    for block in decoder.finish():
        pcm += block
    return bytes(pcm)


def likeness(one: bytes, other: bytes) -> float:
    """The correlation of two sounds, 1 for the same."""
    np = pytest.importorskip("numpy")
    size = min(len(one), len(other)) & ~1
    a, b = (np.frombuffer(sound[:size], "<i2").astype(float) for sound in (one, other))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.parametrize("sizes", [1, 40, 5000, 10**9])
def test_flac_comes_out_as_it_went_in(sizes: int) -> None:
    assert decode(encoded(SOUND, RATE, "flac"), "flac", sizes=sizes) == SOUND


@pytest.mark.parametrize("sizes", [1, 40, 5000, 10**9])
def test_opus_comes_out_nearly_as_it_went_in(sizes: int) -> None:
    pcm = decode(encoded(SOUND, RATE, "ogg-opus"), "ogg-opus", sizes=sizes)
    assert len(pcm) == pytest.approx(len(SOUND), abs=RATE // 25)
    assert likeness(pcm, SOUND) > 0.95


@pytest.mark.parametrize("encoding", ["g711-alaw", "g711-ulaw"])
def test_g711_comes_out_nearly_as_it_went_in(encoding: str) -> None:
    pcm = decode(encoded(SOUND, RATE, encoding), encoding)
    assert len(pcm) == len(SOUND)
    assert likeness(pcm, SOUND) > 0.99


@pytest.mark.parametrize(
    ("encoding", "silence", "loudest"),
    [("g711-alaw", {0xD5: 8, 0x55: -8}, 32256), ("g711-ulaw", {0xFF: 0, 0x7F: 0}, 32124)],
)
def test_g711_s_table(encoding: str, silence: dict[int, int], loudest: int) -> None:
    samples = array("h", decode(bytes(range(256)), encoding))
    if sys.byteorder == "big":
        samples.byteswap()
    assert {code: samples[code] for code in silence} == silence
    assert (max(samples), min(samples)) == (loudest, -loudest)


@pytest.mark.parametrize("encoding", CONTAINERS)
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_the_container_s_rate_holds(encoding: str, rate: int) -> None:
    data = encoded(SOUND, RATE, encoding)
    decoder = open_decoder(encoding, rate, 1)
    assert decoder.sample_rate == 16_000
    assert len(decode(data, encoding, rate=rate)) == pytest.approx(len(SOUND), abs=RATE // 25)


def test_a_container_of_another_rate_is_converted() -> None:
    sound, rate = recording("sense_and_sensibility_all_8k")
    pcm = decode(encoded(sound, rate, "flac"), "flac")
    assert len(pcm) == pytest.approx(2 * len(sound), abs=100)
    assert likeness(pcm[::1], decode(encoded(pcm, 16_000, "flac"), "flac")) == pytest.approx(1)


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_two_channels(encoding: str) -> None:
    pair = interleaved(SOUND, bytes(len(SOUND)))
    data = encoded(pair, RATE, encoding, channels=2)
    pcm = array("h", decode(data, encoding, channels=2))
    assert likeness(pcm[0::2].tobytes(), SOUND) > 0.95
    assert max(map(abs, pcm[1::2])) < 500
    assert len(decode(data, encoding)) == pytest.approx(len(SOUND), abs=RATE // 25)


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_fewer_channels_than_asked_for(encoding: str) -> None:
    with pytest.raises(BadRequestException, match="NumberOfChannels is 2, but the audio has 1"):
        decode(encoded(SOUND, RATE, encoding), encoding, channels=2)


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_each_packet_comes_out_once_it_is_there(encoding: str) -> None:
    data = encoded(SOUND, RATE, encoding)
    decoder = open_decoder(encoding, RATE, 1)
    half = sum(len(block) for block in decoder.accept(data[: len(data) // 2]))
    assert half > 0.2 * len(SOUND)


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_a_recording_that_was_cut_off(encoding: str) -> None:
    data = encoded(SOUND, RATE, encoding)
    pcm = decode(data[:-100], encoding)
    assert 0.5 * len(SOUND) < len(pcm) <= 1.02 * len(SOUND)


@pytest.mark.parametrize("encoding", CONTAINERS)
@pytest.mark.parametrize("data", [b"", b"RIFF....WAVEfmt", bytes(4000), b"fLa", b"OggS\0"])
def test_what_is_no_such_container(encoding: str, data: bytes) -> None:
    with pytest.raises(BadRequestException, match="Could not decode the audio"):
        decode(data, encoding)


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_a_damaged_packet(encoding: str) -> None:
    data = bytearray(encoded(SOUND, RATE, encoding))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(BadRequestException, match="Could not decode the audio: .* damaged"):
        decode(bytes(data), encoding)


def test_a_chained_ogg_stream() -> None:
    data = encoded(SOUND, RATE, "ogg-opus")
    with pytest.raises(BadRequestException, match="Could not decode the audio: more than one"):
        decode(data + data, "ogg-opus")


def test_a_frame_that_only_its_checksum_is_right_of() -> None:
    data = encoded(SOUND, RATE, "flac")
    frames = FlacFrames()
    first = next(frames.accept(data))
    start = data.index(first)
    body = first[:8] + b"\xff" * (len(first) - 10)
    crc = 0
    for byte in body:
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ byte]
    wrong = data[:start] + body + crc.to_bytes(2, "big") + data[start + len(first) :]
    with pytest.raises(BadRequestException, match="the audio: Invalid data found"):
        decode(wrong, "flac")


@pytest.mark.parametrize("encoding", CONTAINERS)
@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1), value=st.integers(1, 255), cut=st.floats(0.01, 1))
def test_damage_of_any_kind_is_refused_or_heard(
    encoding: str, place: float, value: int, cut: float
) -> None:
    data = bytearray(_small(encoding))
    data[int(place * (len(data) - 1))] ^= value
    try:
        pcm = decode(bytes(data[: int(cut * len(data)) + 1]), encoding, sizes=700)
    except BadRequestException:
        return
    assert len(pcm) <= 4 * len(SOUND)


_made: dict[str, bytes] = {}


def _small(encoding: str) -> bytes:
    if encoding not in _made:
        _made[encoding] = encoded(SOUND[16_000:48_000], RATE, encoding)
    return _made[encoding]


def test_memory_does_not_grow_with_what_a_chunk_holds() -> None:
    data = encoded(bytes(32_000 * 120), RATE, "flac")  # silence is small
    sizes = [len(block) for block in open_decoder("flac", RATE, 1).accept(data)]
    assert sum(sizes) > 32_000 * 119
    assert max(sizes) < 160 * 1024


def test_what_cannot_be_taken() -> None:
    assert unsupported_reason("g729") == "g729 is not supported by the local server"
    for encoding in ("pcm", "flac", "ogg-opus", "g711-alaw", "g711-ulaw"):
        assert unsupported_reason(encoding) is None
