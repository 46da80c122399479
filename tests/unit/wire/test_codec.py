"""Both twins of the codec: what they write, read and refuse."""

from __future__ import annotations

import array
import copy
import datetime
import enum
import mmap
import pickle
import random
import struct
import sys
import threading
import tracemalloc
import uuid
import zlib

import pytest

from amazon_transcribe import _wire as _framing
from amazon_transcribe._wire.values import (
    Int8HeaderValue,
    Int16HeaderValue,
    Int32HeaderValue,
    Int64HeaderValue,
)
from amazon_transcribe.exceptions import (
    ChecksumMismatch,
    DuplicateHeader,
    HeaderBytesExceedMaxLength,
    HeaderValueBytesExceedMaxLength,
    InvalidHeader,
    InvalidHeadersLength,
    InvalidHeaderValue,
    InvalidMessageLength,
    InvalidPayloadLength,
    ParserError,
    PayloadBytesExceedMaxLength,
    SDKError,
    TruncatedStreamException,
)

EVENT = {
    ":message-type": "event",
    ":event-type": "TranscriptEvent",
    ":content-type": "application/json",
}
EVERY_TYPE = {
    "true": True,
    "false": False,
    "int8": Int8HeaderValue(-128),
    "int16": Int16HeaderValue(32767),
    "int32": -(2**31),
    "int64": Int64HeaderValue(2**63 - 1),
    "bytes": b"\x00\xff",
    "string": "schön 🎤",
    "timestamp": datetime.datetime(2019, 1, 29, 1, 56, 17, 291000, datetime.timezone.utc),
    "uuid": uuid.UUID("00010203-0405-0607-0809-0a0b0c0d0e0f"),
}
EVERY_TYPE_READ = {
    "true": True,
    "false": False,
    "int8": -128,
    "int16": 32767,
    "int32": -(2**31),
    "int64": 2**63 - 1,
    "bytes": b"\x00\xff",
    "string": "schön 🎤",
    "timestamp": 1548726977291,
    "uuid": bytes(range(16)),
}


def frame(block: bytes, payload: bytes = b"", *, total=None, headers=None, crcs=True) -> bytes:
    """Write a message by hand, so that its lengths may be wrong."""
    total = 16 + len(block) + len(payload) if total is None else total
    lengths = struct.pack(">II", total, len(block) if headers is None else headers)
    message = lengths + struct.pack(">I", zlib.crc32(lengths) ^ (not crcs)) + block + payload
    return message + struct.pack(">I", zlib.crc32(message))


# The selector


def test_twins_export_what_the_selector_picks(codec):
    for name in _framing.__all__:
        assert name == "Buffer" or hasattr(codec, name)


def test_twins_say_which_they_are(codec):
    expected = "python" if codec.__name__.endswith("_py") else "compiled"
    assert expected == codec.IMPLEMENTATION


# CRC


def test_crc32_is_that_of_zlib(codec):
    data = random.Random(1).randbytes(4096 + 64)
    for length in range(4097):
        start = length * 7 % 64
        part = memoryview(data)[start : start + length]
        assert codec.crc32(part, length) == zlib.crc32(part, length)


def test_crc32_of_parts_is_that_of_the_whole(codec):
    generator = random.Random(2)
    data = generator.randbytes(5000)
    for _ in range(200):
        cut = generator.randrange(5001)
        assert codec.crc32(data[cut:], codec.crc32(data[:cut])) == zlib.crc32(data)


def test_crc32_of_a_large_input(codec):
    data = bytes(1_000_003)
    assert codec.crc32(data) == zlib.crc32(data)


def test_crc32_takes_the_low_bits_of_a_start_value(codec):
    assert codec.crc32(b"audio", 2**40 + 5) == zlib.crc32(b"audio", 5)
    assert codec.crc32(b"audio", -1) == zlib.crc32(b"audio", 0xFFFFFFFF)


# Bytes-like arguments


@pytest.mark.parametrize(
    "wrap",
    [bytes, bytearray, memoryview, lambda data: array.array("B", data)],
    ids=["bytes", "bytearray", "memoryview", "array"],
)
def test_any_contiguous_bytes_are_taken(codec, wrap):
    message = codec.encode_message(EVENT, wrap(b"payload"))
    assert message == codec.encode_message(EVENT, b"payload")
    assert codec.decode_message(wrap(message)).payload == b"payload"
    assert codec.EventStreamDecoder().feed(wrap(message))[0].payload == b"payload"
    assert codec.crc32(wrap(b"payload")) == zlib.crc32(b"payload")


def test_wide_items_count_by_their_bytes(codec):
    samples = array.array("h", [1, -2, 3])
    assert codec.decode_message(codec.encode_message({}, samples)).payload == samples.tobytes()


def test_a_memory_map_is_taken(codec):
    with mmap.mmap(-1, 4096) as mapped:
        assert codec.decode_message(codec.encode_message({}, mapped)).payload == bytes(4096)


@pytest.mark.parametrize("bad", ["text", None, 5, [1, 2]], ids=repr)
def test_other_arguments_are_a_type_error(codec, bad):
    expected = f"a bytes-like object is required, not {type(bad).__name__!r}"
    for call in (
        codec.crc32,
        codec.decode_message,
        codec.EventStreamDecoder().feed,
        lambda data: codec.encode_message({}, data),
    ):
        with pytest.raises(TypeError) as caught:
            call(bad)
        assert str(caught.value) == expected


def test_bytes_with_gaps_are_a_type_error(codec):
    gaps = memoryview(b"abcdef")[::2]
    for call in (
        codec.crc32,
        codec.decode_message,
        codec.EventStreamDecoder().feed,
        lambda data: codec.encode_message({}, data),
    ):
        with pytest.raises(TypeError) as caught:
            call(gaps)
        assert str(caught.value) == "a contiguous bytes-like object is required"


# Writing


def test_every_type_is_written_and_read(codec):
    message = codec.decode_message(codec.encode_message(EVERY_TYPE, b"payload"))
    assert message.headers == EVERY_TYPE_READ
    assert list(message.headers) == list(EVERY_TYPE)
    assert [type(value) for value in message.headers.values()] == [
        type(value) for value in EVERY_TYPE_READ.values()
    ]


def test_headers_as_bytes(codec):
    assert codec.encode_headers(EVERY_TYPE).hex() == (
        "04" + b"true".hex() + "00"
        "05" + b"false".hex() + "01"
        "04" + b"int8".hex() + "0280"
        "05" + b"int16".hex() + "037fff"
        "05" + b"int32".hex() + "0480000000"
        "05" + b"int64".hex() + "057fffffffffffffff"
        "05" + b"bytes".hex() + "06000200ff"
        "06" + b"string".hex() + "07000b" + "schön 🎤".encode().hex() + ""
        "09" + b"timestamp".hex() + "08000001689752430b"
        "04" + b"uuid".hex() + "09000102030405060708090a0b0c0d0e0f"
    )


def test_the_specification_s_empty_message(codec):
    assert codec.encode_message({}, b"").hex() == "000000100000000005c248eb7d98c8ff"


def test_headers_may_be_any_mapping(codec):
    class Headers:
        def items(self):
            return [("a", 1), ("b", "two")]

    assert codec.encode_headers(Headers()) == codec.encode_headers({"a": 1, "b": "two"})


@pytest.mark.parametrize(
    "value",
    [
        b"\x00\xff",
        bytearray(b"\x00\xff"),
        memoryview(b"\x00\xff"),
        memoryview(bytearray(b"\x00\xff")),
        memoryview(b"\x00\x01\xff")[::2],
    ],
)
def test_byte_array_values(codec, value):
    assert codec.encode_headers({"b": value}) == b"\x01b\x06\x00\x02\x00\xff"


def test_subclasses_count_as_their_base(codec):
    class Number(enum.IntEnum):
        SEVEN = 7

    class Text(str):
        __slots__ = ()

    assert codec.encode_headers({Text("n"): Number.SEVEN, "t": Text("x")}) == codec.encode_headers(
        {"n": 7, "t": "x"}
    )


def test_a_naive_time_is_local_time(codec):
    naive = datetime.datetime(2024, 7, 1, 12, 30, 15, 250000)  # noqa: DTZ001
    expected = struct.pack(">q", int(naive.timestamp() * 1000))
    assert codec.encode_headers({"d": naive}) == b"\x01d\x08" + expected


@pytest.mark.parametrize(
    ("wrapper", "bits"),
    [
        (Int8HeaderValue, 8),
        (Int16HeaderValue, 16),
        (Int32HeaderValue, 32),
        (Int64HeaderValue, 64),
        (int, 32),
    ],
)
def test_integers_out_of_range_are_refused(codec, wrapper, bits):
    for value in (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1):
        codec.encode_headers({"n": wrapper(value)})
    for value in (-(2 ** (bits - 1)) - 1, 2 ** (bits - 1), 10**5000):
        with pytest.raises(InvalidHeaderValue, match=f"does not fit in int{bits}"):
            codec.encode_headers({"n": wrapper(value)})


@pytest.mark.parametrize(
    "value",
    [None, 1.5, [], datetime.date(2024, 1, 1), Int8HeaderValue("1"), "\ud800"],
    ids=["None", "float", "list", "date", "wrapped-text", "surrogate"],
)
def test_values_of_other_kinds_are_refused(codec, value):
    with pytest.raises(InvalidHeaderValue):
        codec.encode_headers({"v": value})


@pytest.mark.parametrize("name", ["", "n" * 256, "ü" * 128, "\udfff", b"n", 5])
def test_bad_names_are_refused(codec, name):
    with pytest.raises(InvalidHeaderValue, match="Header name"):
        codec.encode_headers({name: 1})


def test_the_longest_name_is_written(codec):
    headers = {"n" * 255: True, "ü" * 127: False}
    assert codec.decode_message(codec.encode_message(headers, b"")).headers == headers


@pytest.mark.parametrize("one", ["x", b"x"], ids=["string", "bytes"])
def test_values_up_to_32767_bytes_are_written(codec, one):
    message = codec.encode_message({"v": one * 32767}, b"")
    assert codec.decode_message(message).headers == {"v": one * 32767}
    with pytest.raises(HeaderValueBytesExceedMaxLength, match="32768"):
        codec.encode_headers({"v": one * 32768})


def test_header_blocks_up_to_128_kib_are_written(codec):
    # Each header takes 5 bytes and its value.
    headers = {f"{i}": b"x" * 32763 for i in range(4)}
    assert len(codec.encode_headers(headers)) == 131072
    assert codec.decode_message(codec.encode_message(headers, b"")).headers == headers
    headers["3"] += b"x"
    with pytest.raises(HeaderBytesExceedMaxLength, match="131073"):
        codec.encode_headers(headers)
    with pytest.raises(HeaderBytesExceedMaxLength, match="131073"):
        codec.encode_message(headers, b"")


def test_payloads_up_to_16_mib_are_written(codec):
    payload = bytes(16 * 1024 * 1024)
    assert codec.decode_message(codec.encode_message({}, payload)).payload == payload
    with pytest.raises(PayloadBytesExceedMaxLength, match="16777217"):
        codec.encode_message({}, payload + b"\x00")


# Reading one message


def test_a_message_keeps_its_prelude_and_crc(codec):
    data = codec.encode_message(EVENT, b"payload")
    message = codec.decode_message(data)
    assert message.payload == b"payload"
    assert type(message.payload) is bytes
    assert message.crc == int.from_bytes(data[-4:], "big")
    prelude = message.prelude
    assert prelude == codec.MessagePrelude(
        total_length=len(data),
        headers_length=len(data) - 16 - 7,
        crc=int.from_bytes(data[8:12], "big"),
    )
    assert (prelude.headers_end, prelude.payload_end) == (len(data) - 11, len(data) - 4)
    assert prelude.payload_length == 7


def test_messages_are_values(codec):
    data = codec.encode_message(EVENT, b"payload")
    message = codec.decode_message(data)
    assert message == codec.decode_message(data)
    assert message != codec.decode_message(codec.encode_message(EVENT, b"other"))
    assert message != data
    assert pickle.loads(pickle.dumps(message)) == message
    assert copy.copy(message) == message
    assert repr(message) == (
        f"EventStreamMessage(prelude={message.prelude!r}, headers={EVENT!r}, "
        f"payload=b'payload', crc={message.crc})"
    )
    with pytest.raises(TypeError):
        hash(message)
    with pytest.raises(TypeError):
        hash(message.prelude)


def test_a_message_can_be_made_and_changed(codec):
    prelude = codec.MessagePrelude(16, 0, 5)
    message = codec.EventStreamMessage(prelude=prelude, headers={"a": 1}, payload=b"p", crc=6)
    assert message.prelude is prelude
    assert (message.headers, message.payload, message.crc) == ({"a": 1}, b"p", 6)
    read = codec.decode_message(codec.encode_message(EVENT, b""))
    read.prelude, read.headers, read.payload, read.crc = prelude, {"a": 1}, b"p", 6
    assert read == message


@pytest.mark.parametrize(
    ("message_type", "status"), [("event", 200), ("error", 400), ("exception", 400), (None, 200)]
)
def test_to_response_dict(codec, message_type, status):
    headers = {":message-type": message_type} if message_type else {}
    message = codec.decode_message(codec.encode_message(headers, b"body"))
    assert message.to_response_dict() == {
        "status_code": status,
        "headers": headers,
        "body": b"body",
    }
    assert message.to_response_dict(202)["status_code"] == (status if status == 400 else 202)


def test_headers_are_never_shared_between_messages(codec):
    data = codec.encode_message(EVENT, b"")
    for _ in range(3):
        message = codec.decode_message(data)
        assert message.headers == EVENT
        message.headers["mine"] = 1
        assert message.headers["mine"] == 1
        first, second = codec.EventStreamDecoder().feed(data * 2)
        first.headers.clear()
        assert second.headers == EVENT


def test_many_different_header_blocks_are_told_apart(codec):
    messages = [codec.encode_message({"n": f"{i:02}"}, b"") for i in range(40)]
    for _ in range(2):
        for i, message in enumerate(messages):
            assert codec.decode_message(message).headers == {"n": f"{i:02}"}


@pytest.mark.parametrize("length", [0, 1, 11, 12, 15, 16, 29])
def test_a_message_cut_short_is_refused(codec, length):
    data = codec.encode_message({"a": 1}, b"payload")[:length]
    with pytest.raises(InvalidMessageLength, match="incomplete") as caught:
        codec.decode_message(data)
    assert caught.value.offset == length


def test_bytes_after_the_message_are_refused(codec):
    data = codec.encode_message({"a": 1}, b"payload")
    with pytest.raises(InvalidMessageLength, match="1 bytes left over") as caught:
        codec.decode_message(data + b"\x00")
    assert caught.value.offset == len(data)


@pytest.mark.parametrize(
    ("block", "reason", "offset"),
    [
        (b"\x00\x00", "Header name is empty", 12),
        (b"\x02a", "Header name runs past the header block", 12),
        (b"\x01a\x00\x03ab", "Header name runs past the header block", 15),
        (b"\x01a", "Header type is missing", 14),
        (b"\x01a\x0a", "Header type 10 is unknown", 14),
        (b"\x01a\xff", "Header type 255 is unknown", 14),
        (b"\x01a\x02", "Header value runs past the header block", 15),
        (b"\x01a\x09" + bytes(15), "Header value runs past the header block", 15),
        (b"\x01a\x07\x00", "Header value runs past the header block", 15),
        (b"\x01a\x06\x00\x02x", "Header value runs past the header block", 15),
        (
            b"\x01a\x06\x80\x00" + bytes(32768),
            "Header value length of 32768 exceeded the maximum of 32767",
            15,
        ),
        (b"\x02\xc3\x28\x00", "Header name is not UTF-8", 13),
        (b"\x01a\x07\x00\x03ok\xff", "Header value is not UTF-8", 19),
    ],
)
def test_header_faults_say_what_and_where(codec, block, reason, offset):
    with pytest.raises(InvalidHeader) as caught:
        codec.decode_message(frame(block, b"payload"))
    assert (caught.value.reason, caught.value.offset) == (reason, offset)


def test_a_repeated_name_is_refused(codec):
    with pytest.raises(DuplicateHeader) as caught:
        codec.decode_message(frame(b"\x01a\x00\x01b\x00\x01a\x01"))
    assert (caught.value.header, caught.value.offset) == ("a", 18)


def test_the_order_of_checks(codec):
    broken_block = b"\x00"
    limit = 24 * 1024 * 1024
    for data, error in (
        # A limit comes before the prelude's CRC,
        (frame(b"", headers=131073, crcs=False), InvalidHeadersLength),
        (frame(b"", total=limit + 17, crcs=False), InvalidPayloadLength),
        # that before lengths that contradict each other,
        (frame(b"", total=15, crcs=False), ChecksumMismatch),
        (frame(b"", total=15), InvalidMessageLength),
        (frame(b"", headers=1), InvalidMessageLength),
        # and the message's CRC before the headers.
        (frame(broken_block)[:-1] + b"\x00", ChecksumMismatch),
        (frame(broken_block), InvalidHeader),
    ):
        with pytest.raises(error):
            codec.decode_message(data)
        with pytest.raises(error):
            codec.EventStreamDecoder().feed(data)


# Reading a stream


@pytest.mark.parametrize("size", [1, 2, 7, 11, 12, 13, 100, 10_000])
def test_any_chunking_gives_the_same_messages(codec, size):
    stream = b"".join(
        codec.encode_message(headers, payload)
        for headers in (EVENT, {}, EVERY_TYPE)
        for payload in (b"", b"x", b"payload" * 50)
    )
    whole = codec.EventStreamDecoder().feed(stream)
    decoder = codec.EventStreamDecoder()
    messages = []
    for start in range(0, len(stream), size):
        messages += decoder.feed(stream[start : start + size])
    decoder.close()
    assert messages == whole
    assert len(messages) == 9


def test_a_long_message_in_small_chunks_takes_linear_time(codec):
    # Copying the unfinished message for every chunk would be 17 GB.
    data = codec.encode_message(EVENT, bytes(2**20))
    decoder = codec.EventStreamDecoder()
    messages = []
    for start in range(0, len(data), 32):
        messages += decoder.feed(data[start : start + 32])
    assert messages[0].payload == bytes(2**20)


def test_a_prelude_is_judged_before_its_body_comes(codec):
    decoder = codec.EventStreamDecoder(max_payload_length=100)
    assert decoder.feed(frame(b"", bytes(100))[:12]) == []
    decoder = codec.EventStreamDecoder(max_payload_length=100)
    data = frame(b"", bytes(101))
    assert decoder.feed(data[:11]) == []
    with pytest.raises(InvalidPayloadLength, match="101 exceeded the maximum of 100"):
        decoder.feed(data[11:12])


def test_limits_are_parameters(codec):
    message = codec.encode_message({"a": "b" * 20}, b"x" * 20)
    assert codec.EventStreamDecoder(20, 25).feed(message)
    with pytest.raises(InvalidPayloadLength):
        codec.EventStreamDecoder(19).feed(message)
    with pytest.raises(InvalidHeadersLength, match="25 exceeded the maximum of 24"):
        codec.EventStreamDecoder(max_headers_length=24).feed(message)
    with pytest.raises(ValueError, match="negative"):
        codec.EventStreamDecoder(-1)
    with pytest.raises(TypeError):
        codec.EventStreamDecoder(1.5)


def test_messages_before_a_fault_come_first(codec):
    good = codec.encode_message(EVENT, b"good")
    decoder = codec.EventStreamDecoder()
    assert [m.payload for m in decoder.feed(good + good + bytes(12))] == [b"good", b"good"]
    assert isinstance(decoder.error, ChecksumMismatch)
    for call in (lambda: decoder.feed(good), lambda: decoder.feed(b""), decoder.close):
        with pytest.raises(ChecksumMismatch) as caught:
            call()
        assert caught.value is decoder.error


def test_a_fault_with_nothing_before_it_is_raised_at_once(codec):
    good = codec.encode_message(EVENT, b"good")
    decoder = codec.EventStreamDecoder()
    assert decoder.error is None
    assert len(decoder.feed(good)) == 1
    with pytest.raises(ParserError) as caught:
        decoder.feed(bytes(12) + good)
    assert decoder.error is caught.value
    with pytest.raises(ParserError):
        decoder.feed(good)


def test_events_come_from_the_decoder_of_their_type_and_from_the_parser(codec):
    known = {":message-type": "event", ":event-type": "Known"}
    messages = [
        (known, b"good"),
        (known, b"odd"),  # the decoder does not take it
        ({**known, ":event-type": "New"}, b"new"),
        ({**known, ":message-type": "exception"}, b"bad"),
        ({":event-type": "Known"}, b"bare"),
        ({}, b""),
    ]

    def decode(payload):
        if payload == b"odd":
            raise ValueError("odd")
        return payload.decode()

    data = b"".join(codec.encode_message(*message) for message in messages)
    for size in (1, 50, len(data)):
        decoder, events = codec.EventStreamDecoder(), []
        for at in range(0, len(data), size):
            decoder.feed_events(
                data[at : at + size], events, {"Known": decode}, lambda m: (m.headers, m.payload)
            )
        assert events == ["good", *messages[1:]]


def test_events_before_a_fault_or_a_failure_are_there(codec):
    def parse(message):
        if message.payload == b"bad":
            raise LookupError("bad")
        return message.payload

    good, bad = codec.encode_message(EVENT, b"good"), codec.encode_message(EVENT, b"bad")
    decoder, events = codec.EventStreamDecoder(), []
    with pytest.raises(LookupError):
        decoder.feed_events(good + bad + good, events, {}, parse)
    decoder.feed_events(good + bytes(12), events, {}, parse)
    assert events == [b"good", b"good"]
    with pytest.raises(ParserError) as caught:
        decoder.feed_events(good, events, {}, parse)
    assert caught.value is decoder.error
    with pytest.raises(TypeError):
        codec.EventStreamDecoder().feed_events("text", events, {}, parse)


def test_close_between_messages_is_clean(codec):
    decoder = codec.EventStreamDecoder()
    decoder.close()
    decoder.feed(codec.encode_message(EVENT, b""))
    decoder.close()


@pytest.mark.parametrize("length", [1, 11, 12, 50, 100])
def test_close_inside_a_message_raises(codec, length):
    decoder = codec.EventStreamDecoder()
    data = codec.encode_message(EVENT, b"payload")
    decoder.feed(data + data[:length])
    for _ in range(2):
        with pytest.raises(TruncatedStreamException) as caught:
            decoder.close()
        assert caught.value.offset == length
        assert isinstance(caught.value, ParserError)
        assert isinstance(caught.value, SDKError)


def test_a_kept_fault_does_not_hold_the_callers_buffer(codec):
    decoder = codec.EventStreamDecoder()
    data = bytearray(16)
    with pytest.raises(ParserError):
        decoder.feed(data)
    data += b"more"
    decoder = codec.EventStreamDecoder()
    data = bytearray(codec.encode_message({}, b"") + bytes(16))
    decoder.feed(data)
    data += b"more"


def test_an_announced_payload_takes_no_memory(codec):
    start = frame(b"", bytes(16), total=24 * 1024 * 1024)[:20]
    decoder = codec.EventStreamDecoder()
    tracemalloc.start()
    try:
        decoder.feed(start)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 100_000
    assert peak < 200_000


def test_a_decoder_at_rest_holds_nothing(codec):
    data = codec.encode_message(EVENT, bytes(2**20))
    decoder = codec.EventStreamDecoder()
    decoder.feed(data)
    tracemalloc.start()
    try:
        decoder.feed(data[:1000])
        decoder.feed(data[1000:])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 10_000


def test_a_decoder_serves_one_thread_at_a_time(codec):
    data = codec.encode_message(EVENT, bytes(2**20))
    decoder = codec.EventStreamDecoder()
    start = threading.Barrier(4)
    outcomes = []

    def feed_once():
        try:
            return [len(message.payload) for message in decoder.feed(data)]
        except RuntimeError as error:
            return str(error)

    def feed():
        start.wait()
        outcomes.extend([feed_once() for _ in range(10)])

    threads = [threading.Thread(target=feed) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(outcomes) == 40
    assert all(
        outcome in ([2**20], "EventStreamDecoder is in use by another thread")
        for outcome in outcomes
    )
    decoder.close()
