"""The header fields that a connection sends, as `hpack` and `h2` read them on the other side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived
from h2.settings import SettingCodes
from hpack import Decoder, NeverIndexedHeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from amazon_transcribe._net.h2_library import H2Connection as OurH2Connection
from amazon_transcribe._net.http2 import Http2Connection
from amazon_transcribe.exceptions import HTTPException

REQUEST = [(":method", "POST"), (":scheme", "https"), (":authority", "a:1"), (":path", "/p")]
SECRETS = [("authorization", "AWS4-HMAC-SHA256 s1"), ("x-amz-security-token", "s2" * 600)]

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=200)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=3000).map(
    str.strip
)


def block_of(fields: Any) -> bytes:
    """Return the header block in which a client's connection sends these fields."""
    client = OurH2Connection(H2Configuration(client_side=True), {})
    client.initiate_connection()
    client.data_to_send()
    client.send_headers(1, fields)
    frames, block = client.data_to_send(), b""
    while frames:  # HEADERS and CONTINUATION
        size = int.from_bytes(frames[:3], "big")
        block, frames = block + frames[9 : 9 + size], frames[9 + size :]
    return block


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_fields_arrive_as_they_are_and_fill_no_table(fields: list[tuple[str, str]]) -> None:
    fields = [*REQUEST, *fields]
    decoder = Decoder(max_header_list_size=2**20)
    assert decoder.decode(block_of(fields)) == fields
    assert not decoder.header_table.dynamic_entries


def test_secrets_are_marked_for_nobody_to_keep() -> None:
    fields = Decoder().decode(block_of([*REQUEST, *SECRETS, ("x-amz-date", "20260101T000000Z")]))
    marked = [field for field in fields if isinstance(field, NeverIndexedHeaderTuple)]
    assert [tuple(field) for field in marked] == SECRETS


def test_a_secret_begins_with_the_bits_of_a_field_never_indexed() -> None:
    rest = block_of([*REQUEST, ("authorization", "key")]).removeprefix(block_of(REQUEST))
    # RFC 7541, 6.2.3: 0001, the name's index in the static table, 23, and a value of 3 bytes.
    assert rest == b"\x1f\x08\x03key"


def test_a_value_with_a_line_end_is_refused_and_not_shown() -> None:
    async def scenario() -> None:
        connection = Http2Connection(client=True)
        with pytest.raises(HTTPException, match="x-amz-security-token") as caught:
            connection.request([*REQUEST, ("x-amz-security-token", "hush\r\nevil: 1")])
        assert "hush" not in str(caught.value)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["", "a b", "a:b", "\xe4"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    async def scenario() -> None:
        with pytest.raises(HTTPException, match="header's name"):
            Http2Connection(client=True).request([*REQUEST, (name, "value")])

    asyncio.run(scenario())


def test_a_name_in_capitals_is_sent_in_small_letters() -> None:
    # A program's own transport may add some.
    assert Decoder().decode(block_of([*REQUEST, ("X-Trace", " 1 ")]))[-1] == ("x-trace", "1")


def test_a_peer_that_keeps_no_table_understands_every_request() -> None:
    client = OurH2Connection(H2Configuration(client_side=True), {})
    server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    for side in (client, server):
        side.initiate_connection()
    server.update_settings({SettingCodes.HEADER_TABLE_SIZE: 0})
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    for stream_id in (1, 3):
        client.send_headers(stream_id, [*REQUEST, *SECRETS])
        (received,) = server.receive_data(client.data_to_send())
        assert isinstance(received, RequestReceived)
        assert received.headers == [*REQUEST, *SECRETS]
