# cython: language_level=3, freethreading_compatible=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The event-stream codec, compiled; `amazon_transcribe/_wire/_codec_py.py` is its readable twin.

Functions over bytes take a pointer and a length, and every read stands below the check
of the length it needs. Python objects are made only at the edge.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBuffer_FillInfo,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

import datetime
import operator
import uuid
from hashlib import sha256 as _sha256

from amazon_transcribe._wire import values
from amazon_transcribe._wire.switches import is_on
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
    TruncatedStreamException,
)

cdef extern from "Python.h":
    bint PyBytes_CheckExact(object)
    int _PyBytes_Resize(PyObject **, Py_ssize_t) except -1
    PyObject *PyBytes_Raw "PyBytes_FromStringAndSize"(const char *, Py_ssize_t) except NULL
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL
    unicode PyUnicode_DecodeUTF8(const char *, Py_ssize_t, const char *)
    long long PyLong_AsLongLongAndOverflow(object, int *) except? -1
    unsigned long PyLong_AsUnsignedLongMask(object) except? 0xFFFFFFFF
    object PyNumber_Index(object)

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object)
    const char *PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)

cdef extern from "crc32.h" nogil:
    ctypedef uint32_t (*crc32_function)(uint32_t, const uint8_t *, size_t, uint8_t *) noexcept nogil
    ctypedef struct crc32_path:
        const char *name
        crc32_function function
    crc32_path *crc32_paths
    size_t crc32_path_count
    void crc32_choose()
    uint32_t crc32_update(uint32_t, const uint8_t *, size_t)
    uint32_t crc32_update_copy(uint32_t, const uint8_t *, size_t, uint8_t *)

cdef extern from "sha256.h" nogil:
    enum: HMAC_SHA256_KEY
    ctypedef struct sha256_hash:
        pass
    ctypedef struct hmac_sha256:
        sha256_hash inner
    const char *sha256_choose()
    void sha256_begin(sha256_hash *)
    void sha256_update(sha256_hash *, const uint8_t *, size_t)
    void sha256_end(sha256_hash *, uint8_t *)
    void sha256_wipe(void *, size_t)
    void hmac_sha256_begin(hmac_sha256 *, const uint8_t *)
    void hmac_sha256_sign(const hmac_sha256 *, const uint8_t *, size_t, uint8_t *)

cdef extern from *:
    """
    /* The flag of a decoder in use: one thread at a time, with the GIL or without. */
    #ifndef Py_GIL_DISABLED
    #define take_flag(flag) (*(flag) ? 0 : (*(flag) = 1))
    #define drop_flag(flag) (*(flag) = 0)
    #elif defined(__GNUC__) || defined(__clang__)
    #define take_flag(flag) (!__atomic_test_and_set((flag), __ATOMIC_ACQUIRE))
    #define drop_flag(flag) __atomic_clear((flag), __ATOMIC_RELEASE)
    #else
    #include <intrin.h>
    #define take_flag(flag) (!_InterlockedExchange8((char *)(flag), 1))
    #define drop_flag(flag) ((void)_InterlockedExchange8((char *)(flag), 0))
    #endif

    /* All decoders share the remembered header blocks; a mutex guards them where no GIL does. */
    #ifdef Py_GIL_DISABLED
    static PyMutex remembered_mutex;
    #define lock_remembered() PyMutex_Lock(&remembered_mutex)
    #define unlock_remembered() PyMutex_Unlock(&remembered_mutex)
    #else
    #define lock_remembered() ((void)0)
    #define unlock_remembered() ((void)0)
    #endif
    """
    bint take_flag(uint8_t *) noexcept
    void drop_flag(uint8_t *) noexcept
    void lock_remembered() noexcept
    void unlock_remembered() noexcept

crc32_choose()

IMPLEMENTATION = "compiled"

cdef enum:
    PRELUDE_LENGTH = 12
    CRC_LENGTH = 4
    OVERHEAD = 16

    MAX_PAYLOAD_LENGTH = 24 * 1024 * 1024
    MAX_HEADERS_LENGTH = 128 * 1024
    MAX_HEADER_VALUE_LENGTH = 32 * 1024 - 1
    ENCODE_MAX_PAYLOAD_LENGTH = 16 * 1024 * 1024
    ENCODE_MAX_HEADERS_LENGTH = 128 * 1024

    TYPE_TRUE = 0
    TYPE_FALSE = 1
    TYPE_INT8 = 2
    TYPE_INT16 = 3
    TYPE_INT32 = 4
    TYPE_INT64 = 5
    TYPE_BYTES = 6
    TYPE_STRING = 7
    TYPE_TIMESTAMP = 8
    TYPE_UUID = 9

    DATE_HEADER_LENGTH = 15
    SIGNATURE_LENGTH = 32
    # :date, then 20 bytes before the value of :chunk-signature
    SIGNED_HEADERS_LENGTH = DATE_HEADER_LENGTH + 20 + SIGNATURE_LENGTH
    DIGEST_LENGTH = 32

    REMEMBERED_BLOCKS = 8
    REMEMBERED_LENGTH = 512

    # From this length on, one pass that copies is faster than a CRC and then a copy.
    ONE_PASS_LENGTH = 1024
    # From this length on, a CRC takes longer than releasing and regaining the GIL, and a
    # hash takes too long to keep other threads from it.
    NOGIL_LENGTH = 256 * 1024
    # The first room for a payload that comes in pieces; it doubles as they come. A prelude
    # alone must not make us hold memory for the length that it announces.
    FIRST_ROOM = 64 * 1024

cdef object datetime_type = datetime.datetime
cdef object uuid_type = uuid.UUID
cdef object index = operator.index
cdef object sha256 = _sha256
cdef object Int8HeaderValue = values.Int8HeaderValue
cdef object Int16HeaderValue = values.Int16HeaderValue
cdef object Int32HeaderValue = values.Int32HeaderValue
cdef object Int64HeaderValue = values.Int64HeaderValue


# Numbers on the wire

cdef inline uint16_t load16(const uint8_t *data) noexcept nogil:
    return <uint16_t>(data[0] << 8 | data[1])


cdef inline uint32_t load32(const uint8_t *data) noexcept nogil:
    return (<uint32_t>data[0] << 24 | <uint32_t>data[1] << 16
            | <uint32_t>data[2] << 8 | <uint32_t>data[3])


cdef inline uint64_t load64(const uint8_t *data) noexcept nogil:
    return <uint64_t>load32(data) << 32 | load32(data + 4)


cdef inline void store16(uint8_t *data, uint32_t value) noexcept nogil:
    data[0] = <uint8_t>(value >> 8)
    data[1] = <uint8_t>value


cdef inline void store32(uint8_t *data, uint32_t value) noexcept nogil:
    data[0] = <uint8_t>(value >> 24)
    data[1] = <uint8_t>(value >> 16)
    data[2] = <uint8_t>(value >> 8)
    data[3] = <uint8_t>value


cdef inline void store64(uint8_t *data, uint64_t value) noexcept nogil:
    store32(data, <uint32_t>(value >> 32))
    store32(data + 4, <uint32_t>value)


# Bytes given by the caller

cdef struct Span:
    const uint8_t *data
    Py_ssize_t length
    bint held
    Py_buffer view


cdef inline int open_span(object source, Span *span) except -1:
    """Open `source` as a flat sequence of bytes without copying it."""
    span.held = False
    if PyBytes_CheckExact(source):
        span.data = <const uint8_t *>PyBytes_AS_STRING(source)
        span.length = PyBytes_GET_SIZE(source)
        return 0
    return hold_buffer(source, span)


cdef int hold_buffer(object source, Span *span) except -1:
    if not PyObject_CheckBuffer(source):
        raise TypeError(f"a bytes-like object is required, not {type(source).__name__!r}")
    try:
        PyObject_GetBuffer(source, &span.view, PyBUF_SIMPLE)
    except BufferError:
        raise TypeError("a contiguous bytes-like object is required") from None
    span.data = <const uint8_t *>span.view.buf
    span.length = span.view.len
    span.held = True
    return 0


cdef inline void close_span(Span *span) noexcept:
    if span.held:
        PyBuffer_Release(&span.view)
        span.held = False


cdef inline uint32_t running_crc(uint32_t crc, const uint8_t *data, Py_ssize_t length) noexcept:
    if length >= NOGIL_LENGTH:
        with nogil:
            crc = crc32_update(crc, data, <size_t>length)
        return crc
    return crc32_update(crc, data, <size_t>length)


cdef inline uint32_t running_crc_copy(
    uint32_t crc, const uint8_t *data, Py_ssize_t length, uint8_t *copy
) noexcept:
    if length >= NOGIL_LENGTH:
        with nogil:
            crc = crc32_update_copy(crc, data, <size_t>length, copy)
        return crc
    return crc32_update_copy(crc, data, <size_t>length, copy)


def crc32(data, value=0):
    """Calculate the CRC-32 of the wire format (the one of zlib and gzip)."""
    cdef Span span
    open_span(data, &span)
    try:
        return running_crc(<uint32_t>PyLong_AsUnsignedLongMask(PyNumber_Index(value)),
                           span.data, span.length)
    finally:
        close_span(&span)


def _crc32_paths():
    """Return the names of the CRC paths that this processor has; the last one is used."""
    return [crc32_paths[i].name.decode() for i in range(crc32_path_count)]


def _crc32_by(path, data, value=0, bytearray copy=None):
    """Calculate a CRC by one of these paths, for the tests; `copy` receives a copy of `data`."""
    cdef Span span
    cdef size_t i = _crc32_paths().index(path)
    cdef uint8_t *target = NULL
    open_span(data, &span)
    try:
        if copy is not None:
            copy[:] = bytes(span.length)
            target = <uint8_t *>PyByteArray_AS_STRING(copy)
        return crc32_paths[i].function(value, span.data, <size_t>span.length, target)
    finally:
        close_span(&span)


# Writing

cdef struct Block:
    uint8_t *data
    Py_ssize_t length
    Py_ssize_t room
    uint8_t first[512]


cdef inline void open_block(Block *block) noexcept:
    block.data = block.first
    block.length = 0
    block.room = 512


cdef inline void close_block(Block *block) noexcept:
    if block.data != block.first:
        PyMem_Free(block.data)


cdef inline uint8_t *extend(Block *block, Py_ssize_t length) except NULL:
    """Make room for `length` more bytes and return where they go."""
    if length > block.room - block.length:
        grow(block, length)
    cdef uint8_t *end = block.data + block.length
    block.length += length
    return end


cdef int grow(Block *block, Py_ssize_t length) except -1:
    cdef Py_ssize_t room = 2 * (block.length + length)
    cdef uint8_t *data
    if block.data == block.first:
        data = <uint8_t *>PyMem_Malloc(<size_t>room)
        if data != NULL:
            memcpy(data, block.data, <size_t>block.length)
    else:
        data = <uint8_t *>PyMem_Realloc(block.data, <size_t>room)
    if data == NULL:
        raise MemoryError
    block.data = data
    block.room = room
    return 0


cdef int write_block(object headers, Block *block) except -1:
    if type(headers) is dict:
        for name, value in (<dict>headers).items():
            write_name(name, block)
            write_value(value, block)
    else:
        for name, value in headers.items():
            write_name(name, block)
            write_value(value, block)
    if block.length > ENCODE_MAX_HEADERS_LENGTH:
        raise HeaderBytesExceedMaxLength(block.length)
    return 0


cdef int write_name(object name, Block *block) except -1:
    cdef Py_ssize_t length
    cdef const char *text
    cdef uint8_t *end
    if not isinstance(name, str):
        raise InvalidHeaderValue(
            name, f"Header name must be a string, not {type(name).__name__!r}"
        )
    text = utf8(name, "name", &length)
    if not 1 <= length <= 255:
        raise InvalidHeaderValue(name, f"Header name must be 1 to 255 bytes, not {length}")
    end = extend(block, 1 + length)
    end[0] = <uint8_t>length
    memcpy(end + 1, text, <size_t>length)
    return 0


cdef int write_value(object value, Block *block) except -1:
    cdef Py_ssize_t length
    cdef const char *text
    cdef bytes encoded
    if value is True:
        extend(block, 1)[0] = TYPE_TRUE
    elif value is False:
        extend(block, 1)[0] = TYPE_FALSE
    elif isinstance(value, str):
        text = utf8(value, "value", &length)
        write_with_length(TYPE_STRING, text, length, block)
    elif isinstance(value, int):
        write_integer(TYPE_INT32, 4, "int32", value, value, block)
    elif isinstance(value, Int8HeaderValue):
        write_wrapped(TYPE_INT8, 1, "int8", value.value, block)
    elif isinstance(value, Int16HeaderValue):
        write_wrapped(TYPE_INT16, 2, "int16", value.value, block)
    elif isinstance(value, Int32HeaderValue):
        write_wrapped(TYPE_INT32, 4, "int32", value.value, block)
    elif isinstance(value, Int64HeaderValue):
        write_wrapped(TYPE_INT64, 8, "int64", value.value, block)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        encoded = value if type(value) is bytes else bytes(value)
        write_with_length(TYPE_BYTES, PyBytes_AS_STRING(encoded), len(encoded), block)
    elif isinstance(value, datetime_type):
        write_integer(TYPE_TIMESTAMP, 8, "a timestamp", milliseconds_of(value), value, block)
    elif isinstance(value, uuid_type):
        encoded = value.bytes
        if len(encoded) != 16:
            raise InvalidHeaderValue(value)
        write_fixed(TYPE_UUID, PyBytes_AS_STRING(encoded), 16, block)
    else:
        raise InvalidHeaderValue(value)
    return 0


cdef object milliseconds_of(object time):
    try:
        return int(time.timestamp() * 1000)
    except (OverflowError, OSError, ValueError):
        raise InvalidHeaderValue(time, "Header value does not fit in a timestamp") from None


cdef inline const char *utf8(object text, str field, Py_ssize_t *length) except NULL:
    if PyUnicode_IS_COMPACT_ASCII(text):
        length[0] = PyUnicode_GET_LENGTH(text)
        return PyUnicode_DATA(text)
    return encoded_utf8(text, field, length)


cdef const char *encoded_utf8(object text, str field, Py_ssize_t *length) except NULL:
    try:
        return PyUnicode_AsUTF8AndSize(text, length)
    except UnicodeEncodeError:
        raise InvalidHeaderValue(text, f"Header {field} cannot be encoded as UTF-8") from None


cdef int write_wrapped(
    uint8_t kind, int width, str name, object value, Block *block
) except -1:
    try:
        number = index(value)
    except TypeError:
        raise InvalidHeaderValue(value) from None
    return write_integer(kind, width, name, number, value, block)


cdef int write_integer(
    uint8_t kind, int width, str name, object number, object value, Block *block
) except -1:
    cdef int overflow
    cdef long long native = PyLong_AsLongLongAndOverflow(number, &overflow)
    cdef long long limit = <long long>(<uint64_t>1 << (8 * width - 1)) if width < 8 else 0
    cdef uint8_t wire[8]
    if overflow or (width < 8 and not -limit <= native < limit):
        raise InvalidHeaderValue(value, f"Header value does not fit in {name}")
    store64(wire, <uint64_t>native)
    return write_fixed(kind, <const char *>wire + (8 - width), width, block)


cdef int write_fixed(uint8_t kind, const char *value, int length, Block *block) except -1:
    cdef uint8_t *end = extend(block, 1 + length)
    end[0] = kind
    memcpy(end + 1, value, <size_t>length)
    return 0


cdef int write_with_length(
    uint8_t kind, const char *value, Py_ssize_t length, Block *block
) except -1:
    cdef uint8_t *end
    if length > MAX_HEADER_VALUE_LENGTH:
        raise HeaderValueBytesExceedMaxLength(length)
    end = extend(block, 3 + length)
    end[0] = kind
    store16(end + 1, <uint32_t>length)
    memcpy(end + 3, value, <size_t>length)
    return 0


cdef uint32_t write_head(uint8_t *frame, Py_ssize_t total, Py_ssize_t headers) noexcept nogil:
    """Write the prelude and return its CRC, with which the message's CRC begins."""
    store32(frame, <uint32_t>total)
    store32(frame + 4, <uint32_t>headers)
    cdef uint32_t crc = crc32_update(0, frame, 8)
    store32(frame + 8, crc)
    return crc


cdef void write_frame(uint8_t *frame, const uint8_t *block, Py_ssize_t block_length,
                      const uint8_t *payload, Py_ssize_t payload_length) noexcept nogil:
    """Put lengths and CRCs around a header block and a payload."""
    cdef Py_ssize_t total = OVERHEAD + block_length + payload_length
    cdef uint32_t crc = write_head(frame, total, block_length)
    if block_length:
        memcpy(frame + PRELUDE_LENGTH, block, <size_t>block_length)
    crc = crc32_update(crc, frame + 8, <size_t>(CRC_LENGTH + block_length))
    crc = crc32_update_copy(
        crc, payload, <size_t>payload_length, frame + PRELUDE_LENGTH + block_length)
    store32(frame + total - CRC_LENGTH, crc)


cdef void write_message(
    uint8_t *frame, const uint8_t *block, Py_ssize_t block_length, const Span *payload
) noexcept:
    if payload.length >= NOGIL_LENGTH:
        with nogil:
            write_frame(frame, block, block_length, payload.data, payload.length)
    else:
        write_frame(frame, block, block_length, payload.data, payload.length)


def encode_headers(headers):
    """Write a header block, in the mapping's order."""
    cdef Block block
    open_block(&block)
    try:
        write_block(headers, &block)
        return PyBytes_FromStringAndSize(<const char *>block.data, block.length)
    finally:
        close_block(&block)


def encode_message(headers, payload):
    """Write one whole message."""
    cdef Span span
    cdef Block block
    cdef bytes message
    open_span(payload, &span)
    open_block(&block)
    try:
        if span.length > ENCODE_MAX_PAYLOAD_LENGTH:
            raise PayloadBytesExceedMaxLength(span.length)
        write_block(headers, &block)
        message = PyBytes_FromStringAndSize(NULL, OVERHEAD + block.length + span.length)
        write_message(<uint8_t *>PyBytes_AS_STRING(message), block.data, block.length, &span)
        return message
    finally:
        close_block(&block)
        close_span(&span)


# Signing

cdef extern from *:
    """
    /* Hex in lower case, without tables or branches. */
    static uint8_t *write_hex(uint8_t *end, const uint8_t *digest) {
        for (int i = 0; i < 32; i++) {
            uint8_t high = digest[i] >> 4, low = digest[i] & 15;
            end[2 * i] = (uint8_t)('0' + high + ('a' - '9' - 1) * (high > 9));
            end[2 * i + 1] = (uint8_t)('0' + low + ('a' - '9' - 1) * (low > 9));
        }
        return end + 64;
    }
    """
    uint8_t *write_hex(uint8_t *, const uint8_t *) noexcept nogil


# Whether chains made from now on hash by the processor's instructions.
cdef bint by_instructions = False

# HMAC-SHA256 of the bytes 0 to 199 with the key of the bytes 0 to 31.
cdef bytes known_answer = (
    b"\xc4\xd7\x83\x16\xaa\x3d\xe9\xce\x6b\xd0\xb2\xe6\x1c\x4f\x4d\xd6"
    b"\xbd\xf0\xec\x95\xaa\xb8\x4a\xb8\x7f\xc2\xa1\x19\x03\x99\x1a\xd3"
)


def _choose_sha256(only_hashlib, answer=known_answer):
    """Choose what chains made from now on hash with, and return its name."""
    global by_instructions
    cdef const char *name = sha256_choose()
    cdef hmac_sha256 hmac
    cdef uint8_t data[200]
    cdef uint8_t found[DIGEST_LENGTH]
    cdef int i
    by_instructions = False
    if only_hashlib or name == NULL:
        return "hashlib"
    for i in range(200):
        data[i] = <uint8_t>i
    hmac_sha256_begin(&hmac, data)
    hmac_sha256_sign(&hmac, data, 200, found)
    if found[:DIGEST_LENGTH] != answer:
        import logging
        logging.getLogger("amazon_transcribe").error(
            "this processor's SHA-256 instructions (%s) give a wrong answer: "
            "events are signed with hashlib", name.decode())
        return "hashlib"
    by_instructions = True
    return name.decode()


SHA256_IMPLEMENTATION = _choose_sha256(is_on("AMAZON_TRANSCRIBE_REQUIRE_HASHLIB"))


def _sha256_of(*pieces):
    """Hash these pieces by the processor's instructions, for the tests."""
    cdef Span span
    cdef sha256_hash hash
    cdef uint8_t digest[DIGEST_LENGTH]
    if sha256_choose() == NULL:
        raise NotImplementedError("this processor has no instructions for SHA-256")
    sha256_begin(&hash)
    for piece in pieces:
        open_span(piece, &span)
        sha256_update(&hash, span.data, <size_t>span.length)
        close_span(&span)
    sha256_end(&hash, digest)
    return digest[:DIGEST_LENGTH]


@cython.final
@cython.freelist(8)
cdef class _Region:
    """Bytes for a hash to read in one call; a memoryview takes longer to make."""

    cdef const uint8_t *data
    cdef Py_ssize_t length

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, <void *>self.data, self.length, 1, flags)


cdef inline _Region region(const uint8_t *data, Py_ssize_t length):
    cdef _Region result = _Region.__new__(_Region)
    result.data = data
    result.length = length
    return result


cdef int take_digest(object hashed, uint8_t *digest) except -1:
    cdef bytes found = hashed.digest()
    if len(found) != DIGEST_LENGTH:
        raise ValueError("SHA-256 must give 32 bytes")
    memcpy(digest, PyBytes_AS_STRING(found), DIGEST_LENGTH)
    return 0


cdef void hash_by_instructions(
    const uint8_t *data, Py_ssize_t length, uint8_t *digest
) noexcept nogil:
    cdef sha256_hash hash
    sha256_begin(&hash)
    sha256_update(&hash, data, <size_t>length)
    sha256_end(&hash, digest)


# Events of the same millisecond, in all streams, have the same date header.
cdef bint date_is_hashed = False
cdef int64_t hashed_date
cdef uint8_t date_digest[DIGEST_LENGTH]


cdef inline void write_date_header(uint8_t *header, int64_t date) noexcept:
    memcpy(header, b"\x05:date\x08", 7)
    store64(header + 7, <uint64_t>date)


cdef class SignatureChain:
    """The signatures of one stream's events, each of which continues the one before."""

    cdef object clock
    cdef object renew
    cdef bytes audio_headers
    cdef uint8_t prior_signature[SIGNATURE_LENGTH]
    cdef bint by_instructions
    cdef bint is_begun
    cdef int64_t second  # whose head and key are in the HMAC
    # The HMAC with the key's pads and the head taken in, by the processor or by hashlib.
    cdef hmac_sha256 hmac
    cdef object inner
    cdef object outer

    def __cinit__(self):
        self.by_instructions = by_instructions
        self.audio_headers = b""

    def __init__(self, prior_signature, clock, renew, bytes audio_headers not None):
        self.prior = prior_signature
        if len(audio_headers) > ENCODE_MAX_HEADERS_LENGTH:
            raise HeaderBytesExceedMaxLength(len(audio_headers))
        self.audio_headers = audio_headers
        self.clock = clock
        self.renew = renew

    def __dealloc__(self):
        sha256_wipe(&self.hmac, sizeof(self.hmac))

    @property
    def prior(self):
        """The last signature, which the next event continues."""
        return self.prior_signature[:SIGNATURE_LENGTH]

    @prior.setter
    def prior(self, bytes signature not None):
        if len(signature) != SIGNATURE_LENGTH:
            raise ValueError(f"a signature must be 32 bytes, not {len(signature)}")
        memcpy(self.prior_signature, PyBytes_AS_STRING(signature), SIGNATURE_LENGTH)

    def audio_event(self, chunk):
        """Return the signed frame of one chunk of audio."""
        with cython.critical_section(self):
            return self.frame(chunk, self.audio_headers)

    def wrap(self, message):
        """Return the signed frame around a whole encoded message."""
        with cython.critical_section(self):
            return self.frame(message, None)

    def end(self):
        """Return the signed frame that ends the input."""
        with cython.critical_section(self):
            return self.frame(b"", None)

    def signature(self, date, message):
        """Return the signature that continues the chain with this event; the chain stays."""
        cdef Span span
        cdef uint8_t header[DATE_HEADER_LENGTH]
        cdef uint8_t signature[SIGNATURE_LENGTH]
        open_span(message, &span)
        try:
            with cython.critical_section(self):
                self.sign(timestamp(date), header, span.data, span.length, signature)
            return signature[:SIGNATURE_LENGTH]
        finally:
            close_span(&span)

    cdef bytes frame(self, object payload, bytes headers):
        """Write a signed event, around a message with these headers or around `payload` itself."""
        cdef Span span
        cdef int64_t date
        cdef Py_ssize_t length, total
        cdef bytes event
        cdef uint8_t *frame
        cdef uint8_t *message
        cdef uint8_t signature[SIGNATURE_LENGTH]
        cdef uint32_t crc
        open_span(payload, &span)
        try:
            length = span.length
            if headers is not None:
                length += OVERHEAD + PyBytes_GET_SIZE(headers)
            if length > ENCODE_MAX_PAYLOAD_LENGTH:
                raise PayloadBytesExceedMaxLength(length)
            date = self.now()

            total = OVERHEAD + SIGNED_HEADERS_LENGTH + length
            event = PyBytes_FromStringAndSize(NULL, total)
            frame = <uint8_t *>PyBytes_AS_STRING(event)
            message = frame + PRELUDE_LENGTH + SIGNED_HEADERS_LENGTH
            if headers is not None:
                write_message(message, <const uint8_t *>PyBytes_AS_STRING(headers),
                              PyBytes_GET_SIZE(headers), &span)
            elif length:
                memcpy(message, span.data, <size_t>length)
            self.sign(date, frame + PRELUDE_LENGTH, message, length, signature)
            crc = write_head(frame, total, SIGNED_HEADERS_LENGTH)
            memcpy(frame + PRELUDE_LENGTH + DATE_HEADER_LENGTH,
                   b"\x10:chunk-signature\x06\x00\x20", 20)
            memcpy(message - SIGNATURE_LENGTH, signature, SIGNATURE_LENGTH)
            crc = running_crc(crc, frame + 8, total - 12)
            store32(frame + total - CRC_LENGTH, crc)
            memcpy(self.prior_signature, signature, SIGNATURE_LENGTH)
            return event
        finally:
            close_span(&span)

    cdef int64_t now(self) except? -1:
        """Return the present time in milliseconds."""
        cdef object now = self.clock()
        cdef double milliseconds
        if type(now) is float:
            milliseconds = <double>now * 1000
            if -1e18 < milliseconds < 1e18:
                return <int64_t>milliseconds
        return timestamp(int(now * 1000))

    cdef int sign(self, int64_t date, uint8_t *date_header, const uint8_t *message,
                  Py_ssize_t length, uint8_t *signature) except -1:
        """Write the date header, and the signature of this event after the prior one."""
        cdef uint8_t text[3 * 2 * DIGEST_LENGTH + 2]
        cdef uint8_t digest[DIGEST_LENGTH]
        cdef uint8_t *end
        write_date_header(date_header, date)
        if not self.is_begun or date // 1000 != self.second:
            self.begin(date // 1000)
        end = write_hex(text, self.prior_signature)
        end[0] = c"\n"
        self.hash_date(date, date_header, digest)
        end = write_hex(end + 1, digest)
        end[0] = c"\n"
        self.hash(message, length, digest)
        write_hex(end + 1, digest)
        if self.by_instructions:
            hmac_sha256_sign(&self.hmac, text, sizeof(text), signature)
            return 0
        inner = self.inner.copy()
        inner.update(region(text, sizeof(text)))
        outer = self.outer.copy()
        outer.update(inner.digest())
        return take_digest(outer, signature)

    cdef int begin(self, int64_t second) except -1:
        """Prepare the HMAC of the events of a second."""
        cdef bytes head, key, block
        cdef size_t head_length
        head, key = self.renew(second)
        head_length = <size_t>len(head)
        if len(key) != HMAC_SHA256_KEY:
            raise ValueError(f"a signing key must be {HMAC_SHA256_KEY} bytes, not {len(key)}")
        if self.by_instructions:
            hmac_sha256_begin(&self.hmac, <const uint8_t *>PyBytes_AS_STRING(key))
            sha256_update(
                &self.hmac.inner, <const uint8_t *>PyBytes_AS_STRING(head), head_length)
        else:
            block = key.ljust(64, b"\0")
            self.inner = sha256(bytes([byte ^ 0x36 for byte in block]) + head)
            self.outer = sha256(bytes([byte ^ 0x5C for byte in block]))
        self.second = second
        self.is_begun = True
        return 0

    cdef int hash(self, const uint8_t *data, Py_ssize_t length, uint8_t *digest) except -1:
        if not self.by_instructions:
            return take_digest(sha256(region(data, length)), digest)
        if length >= NOGIL_LENGTH:
            with nogil:
                hash_by_instructions(data, length, digest)
        else:
            hash_by_instructions(data, length, digest)
        return 0

    cdef int hash_date(self, int64_t date, const uint8_t *header, uint8_t *digest) except -1:
        global date_is_hashed, hashed_date
        cdef bint known
        lock_remembered()
        known = date_is_hashed and hashed_date == date
        if known:
            memcpy(digest, date_digest, DIGEST_LENGTH)
        unlock_remembered()
        if known:
            return 0
        self.hash(header, DATE_HEADER_LENGTH, digest)
        lock_remembered()
        memcpy(date_digest, digest, DIGEST_LENGTH)
        hashed_date = date
        date_is_hashed = True
        unlock_remembered()
        return 0


cdef int64_t timestamp(object milliseconds) except? -1:
    cdef int overflow = 0
    cdef int64_t date = PyLong_AsLongLongAndOverflow(milliseconds, &overflow)
    if overflow:
        raise InvalidHeaderValue(milliseconds, "Header value does not fit in a timestamp")
    return date


# Messages

cdef struct Prelude:
    uint32_t total_length
    uint32_t headers_length
    uint32_t crc


cdef class MessagePrelude:
    """The first twelve bytes of a message."""

    cdef public object total_length
    cdef public object headers_length
    cdef public object crc

    def __init__(self, total_length, headers_length, crc):
        self.total_length = total_length
        self.headers_length = headers_length
        self.crc = crc

    @property
    def payload_length(self):
        """Length of the payload in bytes."""
        return self.total_length - self.headers_length - OVERHEAD

    @property
    def headers_end(self):
        """Offset of the first byte after the header block."""
        return PRELUDE_LENGTH + self.headers_length

    @property
    def payload_end(self):
        """Offset of the first byte after the payload."""
        return self.total_length - CRC_LENGTH

    def __eq__(self, other):
        if not isinstance(other, MessagePrelude):
            return NotImplemented
        return (self.total_length == other.total_length
                and self.headers_length == other.headers_length
                and self.crc == other.crc)

    def __repr__(self):
        return (f"MessagePrelude(total_length={self.total_length!r}, "
                f"headers_length={self.headers_length!r}, crc={self.crc!r})")

    def __reduce__(self):
        return MessagePrelude, (self.total_length, self.headers_length, self.crc)


@cython.freelist(64)
cdef class EventStreamMessage:
    """A message as read."""

    # Python objects are made when they are first asked for. Until then a message keeps its
    # numbers as read, and its headers may be the remembered block's own dict, which must
    # be copied before it is handed out.
    cdef Prelude wire_prelude
    cdef uint32_t wire_crc
    cdef bint is_wire_prelude
    cdef bint is_wire_crc
    cdef bint is_shared
    cdef object _prelude
    cdef object _headers
    cdef object _crc
    cdef public object payload

    def __init__(self, prelude, headers, payload, crc):
        self.is_wire_prelude = self.is_wire_crc = self.is_shared = False
        self._prelude = prelude
        self._headers = headers
        self.payload = payload
        self._crc = crc

    @property
    def prelude(self):
        """The message's lengths and their CRC."""
        with cython.critical_section(self):
            if self.is_wire_prelude:
                self._prelude = MessagePrelude(
                    self.wire_prelude.total_length,
                    self.wire_prelude.headers_length,
                    self.wire_prelude.crc,
                )
                self.is_wire_prelude = False
            return self._prelude

    @prelude.setter
    def prelude(self, value):
        with cython.critical_section(self):
            self.is_wire_prelude = False
            self._prelude = value

    @property
    def headers(self):
        """Names to values."""
        with cython.critical_section(self):
            if self.is_shared:
                self._headers = (<dict>self._headers).copy()
                self.is_shared = False
            return self._headers

    @headers.setter
    def headers(self, value):
        with cython.critical_section(self):
            self.is_shared = False
            self._headers = value

    @property
    def crc(self):
        """CRC-32 of everything before it."""
        with cython.critical_section(self):
            if self.is_wire_crc:
                self._crc = self.wire_crc
                self.is_wire_crc = False
            return self._crc

    @crc.setter
    def crc(self, value):
        with cython.critical_section(self):
            self.is_wire_crc = False
            self._crc = value

    def to_response_dict(self, status_code=200):
        """Return the message in the form of an HTTP response."""
        if self.headers.get(":message-type") in ("error", "exception"):
            status_code = 400
        return {"status_code": status_code, "headers": self.headers, "body": self.payload}

    def __eq__(self, other):
        if not isinstance(other, EventStreamMessage):
            return NotImplemented
        return (self.prelude == other.prelude
                and self.headers == other.headers
                and self.payload == other.payload
                and self.crc == other.crc)

    def __repr__(self):
        return (f"EventStreamMessage(prelude={self.prelude!r}, headers={self.headers!r}, "
                f"payload={self.payload!r}, crc={self.crc!r})")

    def __reduce__(self):
        return EventStreamMessage, (self.prelude, self.headers, self.payload, self.crc)


# Reading

cdef int read_prelude(const uint8_t *data, Prelude *prelude,
                      uint64_t max_payload, uint64_t max_headers) except -1:
    """Read and check the twelve bytes at `data`; the caller checks that they are there."""
    cdef uint32_t total_length = load32(data)
    cdef uint32_t headers_length = load32(data + 4)
    cdef uint32_t crc = load32(data + 8)
    cdef uint32_t calculated
    cdef int64_t payload_length = <int64_t>total_length - headers_length - OVERHEAD
    if headers_length > max_headers:
        raise InvalidHeadersLength(headers_length, max_headers)
    if payload_length > 0 and <uint64_t>payload_length > max_payload:
        raise InvalidPayloadLength(payload_length, max_payload)
    calculated = crc32_update(0, data, 8)
    if crc != calculated:
        raise ChecksumMismatch(crc, calculated, 8)
    if total_length < OVERHEAD:
        raise InvalidMessageLength(
            f"Message length of {total_length} is under the minimum of {OVERHEAD}", 0)
    if payload_length < 0:
        raise InvalidMessageLength(
            f"Header length of {headers_length} does not fit in a message of {total_length} bytes",
            4)
    prelude.total_length = total_length
    prelude.headers_length = headers_length
    prelude.crc = crc
    return 0


cdef EventStreamMessage read_message(const uint8_t *message, const Prelude *prelude):
    """Read the message at `message`; the caller checks that it is whole."""
    cdef Py_ssize_t payload_end = <Py_ssize_t>prelude.total_length - CRC_LENGTH
    cdef Py_ssize_t headers_end = PRELUDE_LENGTH + <Py_ssize_t>prelude.headers_length
    cdef uint32_t crc = load32(message + payload_end)
    cdef uint32_t calculated
    cdef bytes payload
    if payload_end < ONE_PASS_LENGTH:
        calculated = crc32_update(prelude.crc, message + 8, <size_t>(payload_end - 8))
        payload = PyBytes_FromStringAndSize(
            <const char *>message + headers_end, payload_end - headers_end)
    else:
        calculated = crc32_update(prelude.crc, message + 8, <size_t>(headers_end - 8))
        payload = PyBytes_FromStringAndSize(NULL, payload_end - headers_end)
        calculated = running_crc_copy(
            calculated, message + headers_end, payload_end - headers_end,
            <uint8_t *>PyBytes_AS_STRING(payload))
    if crc != calculated:
        raise ChecksumMismatch(crc, calculated, payload_end)
    cdef EventStreamMessage result = new_message(prelude, crc, message + PRELUDE_LENGTH)
    result.payload = payload
    return result


cdef inline EventStreamMessage new_message(
    const Prelude *prelude, uint32_t crc, const uint8_t *block
):
    """Make a message without its payload; the caller checks that the whole block is there."""
    cdef EventStreamMessage message = EventStreamMessage.__new__(EventStreamMessage)
    message.wire_prelude = prelude[0]
    message.wire_crc = crc
    message.is_wire_prelude = message.is_wire_crc = True
    cdef Py_ssize_t length = <Py_ssize_t>prelude.headers_length
    cdef object headers
    if length == 0:
        message._headers = {}
        return message
    headers = recall(block, length)
    if headers is not None:
        message._headers = headers
        message.is_shared = True
    else:
        message._headers = read_new_headers(block, length, message)
    return message


# Header blocks read lately, since a stream repeats a few of them. Only blocks whose values
# are all text are kept: others (dates, signatures) hardly ever come back.
cdef uint8_t remembered_block[REMEMBERED_BLOCKS][REMEMBERED_LENGTH]
cdef Py_ssize_t remembered_length[REMEMBERED_BLOCKS]
cdef list remembered_headers = [None] * REMEMBERED_BLOCKS
cdef Py_ssize_t remembered_next = 0


cdef inline object recall(const uint8_t *block, Py_ssize_t length):
    cdef Py_ssize_t i
    cdef object headers = None
    lock_remembered()
    for i in range(REMEMBERED_BLOCKS):
        if (remembered_length[i] == length
                and memcmp(remembered_block[i], block, <size_t>length) == 0):
            headers = remembered_headers[i]
            break
    unlock_remembered()
    return headers


cdef object remember(const uint8_t *block, Py_ssize_t length, dict headers):
    global remembered_next
    cdef object evicted
    lock_remembered()
    evicted = remembered_headers[remembered_next]
    memcpy(remembered_block[remembered_next], block, <size_t>length)
    remembered_length[remembered_next] = length
    remembered_headers[remembered_next] = headers
    remembered_next = (remembered_next + 1) % REMEMBERED_BLOCKS
    unlock_remembered()
    return evicted


cdef dict read_new_headers(const uint8_t *block, Py_ssize_t length, EventStreamMessage message):
    """Read a header block that is not remembered, and remember it if it may come back."""
    cdef uint8_t copy[REMEMBERED_LENGTH]
    cdef bint only_text = True
    cdef dict headers
    cdef bytes long_copy
    # Read from a copy: the caller's buffer may be one that another thread writes to.
    if length > REMEMBERED_LENGTH:
        long_copy = PyBytes_FromStringAndSize(<const char *>block, length)
        return read_headers(<const uint8_t *>PyBytes_AS_STRING(long_copy), length, &only_text)
    memcpy(copy, block, <size_t>length)
    headers = read_headers(copy, length, &only_text)
    if only_text:
        remember(copy, length, headers)
        message.is_shared = True
    return headers


cdef dict read_headers(const uint8_t *block, Py_ssize_t end, bint *only_text):
    """Read a header block; also set whether all its values are text."""
    cdef dict headers = {}
    cdef Py_ssize_t position = 0, header, length, count = 0
    cdef uint8_t kind
    cdef object name, value
    while position < end:
        header = position
        length = block[position]
        position += 1
        if length == 0:
            raise invalid("Header name is empty", header)
        if length > end - position:
            raise invalid("Header name runs past the header block", header)
        name = read_name(block, position, length)
        position += length
        if position == end:
            raise invalid("Header type is missing", position)
        kind = block[position]
        position += 1
        if kind == TYPE_STRING or kind == TYPE_BYTES:
            if end - position < 2:
                raise invalid("Header value runs past the header block", position)
            length = load16(block + position)
            if length > MAX_HEADER_VALUE_LENGTH:
                raise invalid(f"Header value length of {length} exceeded the maximum of "
                              f"{MAX_HEADER_VALUE_LENGTH}", position)
            if length > end - position - 2:
                raise invalid("Header value runs past the header block", position)
            position += 2
            if kind == TYPE_STRING:
                value = read_text(block, position, length, "value")
            else:
                value = PyBytes_FromStringAndSize(<const char *>block + position, length)
        elif kind == TYPE_TRUE:
            value = True
            length = 0
        elif kind == TYPE_FALSE:
            value = False
            length = 0
        else:
            length = fixed_length(kind)
            if length == 0:
                raise invalid(f"Header type {kind} is unknown", position - 1)
            if length > end - position:
                raise invalid("Header value runs past the header block", position)
            value = read_fixed(kind, block + position)
        headers[name] = value
        count += 1
        if len(headers) != count:
            raise DuplicateHeader(name, PRELUDE_LENGTH + header)
        if kind != TYPE_STRING:
            only_text[0] = False
        position += length
    return headers


cdef inline Py_ssize_t fixed_length(uint8_t kind) noexcept:
    if kind == TYPE_INT8:
        return 1
    if kind == TYPE_INT16:
        return 2
    if kind == TYPE_INT32:
        return 4
    if kind == TYPE_INT64 or kind == TYPE_TIMESTAMP:
        return 8
    if kind == TYPE_UUID:
        return 16
    return 0


cdef inline object read_fixed(uint8_t kind, const uint8_t *value):
    """Read a value of `fixed_length(kind)` bytes; the caller checks that they are there."""
    if kind == TYPE_INT8:
        return <int8_t>value[0]
    if kind == TYPE_INT16:
        return <int16_t>load16(value)
    if kind == TYPE_INT32:
        return <int32_t>load32(value)
    if kind == TYPE_UUID:
        return PyBytes_FromStringAndSize(<const char *>value, 16)
    return <int64_t>load64(value)


cdef struct CommonName:
    const char *text
    Py_ssize_t length

cdef list common_names = [
    ":message-type", ":event-type", ":content-type", ":date", ":chunk-signature",
    ":exception-type", ":error-code", ":error-message",
]
cdef CommonName common[8]


cdef int list_common_names() except -1:
    cdef Py_ssize_t i
    for i in range(8):
        common[i].text = PyUnicode_AsUTF8AndSize(common_names[i], &common[i].length)
    return 0

list_common_names()


cdef object read_name(const uint8_t *block, Py_ssize_t start, Py_ssize_t length):
    cdef Py_ssize_t i
    for i in range(8):
        if (common[i].length == length
                and memcmp(common[i].text, block + start, <size_t>length) == 0):
            return common_names[i]
    return read_text(block, start, length, "name")


cdef object read_text(const uint8_t *block, Py_ssize_t start, Py_ssize_t length, str field):
    try:
        return PyUnicode_DecodeUTF8(<const char *>block + start, length, NULL)
    except UnicodeDecodeError as error:
        raise invalid(f"Header {field} is not UTF-8", start + error.start) from None


cdef object invalid(str reason, Py_ssize_t position):
    return InvalidHeader(reason, PRELUDE_LENGTH + position)


def decode_message(data):
    """Read exactly one whole message of at most 24 MiB payload and 128 KiB headers."""
    cdef Span span
    cdef Prelude prelude
    open_span(data, &span)
    try:
        if span.length < PRELUDE_LENGTH:
            raise InvalidMessageLength(
                f"Message is incomplete: {span.length} bytes of at least {OVERHEAD}", span.length)
        read_prelude(span.data, &prelude, MAX_PAYLOAD_LENGTH, MAX_HEADERS_LENGTH)
        if span.length < prelude.total_length:
            raise InvalidMessageLength(
                f"Message is incomplete: {span.length} bytes of {prelude.total_length}",
                span.length)
        if span.length > prelude.total_length:
            raise InvalidMessageLength(
                f"{span.length - prelude.total_length} bytes left over after the message",
                prelude.total_length)
        return read_message(span.data, &prelude)
    finally:
        close_span(&span)


cdef class EventStreamDecoder:
    """A decoder of a stream's bytes, wherever they are cut, into whole messages."""

    cdef uint64_t max_payload
    cdef uint64_t max_headers
    cdef uint8_t busy
    cdef readonly object error
    # The unfinished message, of which the first `have` bytes are here.
    cdef Py_ssize_t have
    cdef Prelude prelude
    cdef uint8_t prelude_bytes[PRELUDE_LENGTH]
    cdef uint8_t *block
    cdef PyObject *payload
    cdef uint8_t crc_bytes[CRC_LENGTH]

    def __init__(
        self, max_payload_length=MAX_PAYLOAD_LENGTH, max_headers_length=MAX_HEADERS_LENGTH
    ):
        self.max_payload = limit(max_payload_length)
        self.max_headers = limit(max_headers_length)

    def __dealloc__(self):
        self.forget()

    def feed(self, data):
        """Take the next bytes of the stream and return the messages they complete."""
        return self.take(data)

    def feed_events(self, data, list events not None, dict decoders not None, parse):
        """Take the next bytes and append the events of the messages they complete."""
        cdef EventStreamMessage message
        cdef dict headers
        cdef object decode
        for message in self.take(data):
            headers = message._headers
            if headers.get(":message-type") == "event":
                decode = decoders.get(headers.get(":event-type"))
                if decode is not None:
                    try:
                        events.append(decode(message.payload))
                        continue
                    except Exception:
                        pass
            events.append(parse(message))

    cdef list take(self, data):
        cdef Span span
        open_span(data, &span)
        try:
            if not take_flag(&self.busy):
                raise RuntimeError("EventStreamDecoder is in use by another thread")
            try:
                if self.append(span.data, span.length):
                    return []
                if self.error is not None:
                    raise self.error.with_traceback(None)
                return self.read(span.data, span.length)
            finally:
                drop_flag(&self.busy)
        finally:
            close_span(&span)

    def close(self):
        """Declare the end of the stream."""
        if not take_flag(&self.busy):
            raise RuntimeError("EventStreamDecoder is in use by another thread")
        try:
            if self.error is None and self.have:
                self.error = TruncatedStreamException(
                    f"Stream ended {self.have} bytes into a message", self.have)
                self.forget()
            if self.error is not None:
                raise self.error.with_traceback(None)
        finally:
            drop_flag(&self.busy)

    cdef inline bint append(self, const uint8_t *data, Py_ssize_t length) noexcept:
        """Append a small chunk, if it stays inside the payload: the common case."""
        cdef Py_ssize_t held
        if self.payload == NULL:
            return False
        held = self.have - PRELUDE_LENGTH - <Py_ssize_t>self.prelude.headers_length
        if length > PyBytes_GET_SIZE(<object>self.payload) - held:
            return False
        memcpy(PyBytes_AS_STRING(<object>self.payload) + held, data, <size_t>length)
        self.have += length
        return True

    cdef list read(self, const uint8_t *data, Py_ssize_t length):
        cdef list messages = None
        cdef EventStreamMessage message
        cdef Py_ssize_t position = 0
        cdef Prelude prelude
        try:
            if self.have:
                message = self.absorb(data, length, &position)
                if message is not None:
                    messages = [message]
            if not self.have:
                while length - position >= PRELUDE_LENGTH:
                    read_prelude(data + position, &prelude, self.max_payload, self.max_headers)
                    if length - position < prelude.total_length:
                        break
                    message = read_message(data + position, &prelude)
                    position += prelude.total_length
                    if messages is None:
                        messages = [message]
                    else:
                        messages.append(message)
                if position < length:
                    self.absorb(data, length, &position)
        except ParserError as error:
            self.forget()
            self.error = error
            if messages is None:
                raise
            error.__traceback__ = None
        except BaseException:
            # Out of memory: the bytes fed are lost, so this decoder must not go on.
            self.forget()
            self.error = ParserError("Decoding was cut short")
            raise
        return [] if messages is None else messages

    cdef EventStreamMessage absorb(
        self, const uint8_t *data, Py_ssize_t length, Py_ssize_t *position
    ):
        """Add to the unfinished message; return it if `data` completes it."""
        cdef Py_ssize_t part, headers_end, payload_end
        if self.have < PRELUDE_LENGTH:
            part = min(length - position[0], PRELUDE_LENGTH - self.have)
            memcpy(self.prelude_bytes + self.have, data + position[0], <size_t>part)
            self.have += part
            position[0] += part
            if self.have < PRELUDE_LENGTH:
                return None
            read_prelude(self.prelude_bytes, &self.prelude, self.max_payload, self.max_headers)
            if self.prelude.headers_length:
                self.block = <uint8_t *>PyMem_Malloc(self.prelude.headers_length)
                if self.block == NULL:
                    raise MemoryError
        headers_end = PRELUDE_LENGTH + <Py_ssize_t>self.prelude.headers_length
        payload_end = <Py_ssize_t>self.prelude.total_length - CRC_LENGTH
        if self.have < headers_end:
            part = min(length - position[0], headers_end - self.have)
            memcpy(self.block + (self.have - PRELUDE_LENGTH), data + position[0], <size_t>part)
            self.have += part
            position[0] += part
        if headers_end <= self.have < payload_end and position[0] < length:
            part = min(length - position[0], payload_end - self.have)
            self.make_room(self.have - headers_end + part, payload_end - headers_end)
            memcpy(PyBytes_AS_STRING(<object>self.payload) + (self.have - headers_end),
                   data + position[0], <size_t>part)
            self.have += part
            position[0] += part
        if payload_end <= self.have and position[0] < length:
            part = min(length - position[0], payload_end + CRC_LENGTH - self.have)
            memcpy(self.crc_bytes + (self.have - payload_end), data + position[0], <size_t>part)
            self.have += part
            position[0] += part
            if self.have == payload_end + CRC_LENGTH:
                return self.complete()
        return None

    cdef int make_room(self, Py_ssize_t needed, Py_ssize_t whole) except -1:
        cdef Py_ssize_t room
        if self.payload == NULL:
            self.payload = PyBytes_Raw(NULL, min(whole, max(needed, FIRST_ROOM)))
            return 0
        room = PyBytes_GET_SIZE(<object>self.payload)
        if room < needed:
            _PyBytes_Resize(&self.payload, min(whole, max(needed, 2 * room)))
        return 0

    cdef EventStreamMessage complete(self):
        cdef Py_ssize_t payload_end = <Py_ssize_t>self.prelude.total_length - CRC_LENGTH
        cdef uint32_t crc = load32(self.crc_bytes)
        cdef uint32_t calculated = crc32_update(
            self.prelude.crc, self.prelude_bytes + 8, PRELUDE_LENGTH - 8)
        calculated = running_crc(calculated, self.block, <Py_ssize_t>self.prelude.headers_length)
        if self.payload != NULL:
            calculated = running_crc(calculated,
                                     <const uint8_t *>PyBytes_AS_STRING(<object>self.payload),
                                     PyBytes_GET_SIZE(<object>self.payload))
        if crc != calculated:
            raise ChecksumMismatch(crc, calculated, payload_end)
        cdef EventStreamMessage message = new_message(&self.prelude, crc, self.block)
        message.payload = <object>self.payload if self.payload != NULL else b""
        self.forget()
        return message

    cdef void forget(self) noexcept:
        """Free the unfinished message."""
        self.have = 0
        if self.block != NULL:
            PyMem_Free(self.block)
            self.block = NULL
        if self.payload != NULL:
            Py_XDECREF(self.payload)
            self.payload = NULL


cdef uint64_t limit(object length) except? 0xFFFFFFFF:
    number = index(length)
    if number < 0:
        raise ValueError("a limit must not be negative")
    # Lengths on the wire have 32 bits: a higher limit is never reached.
    return <uint64_t>min(number, 0xFFFFFFFF)
