"""What one process hands to another, so that a stream goes on there: JSON, with a version."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from ..exceptions import ValidationException, shown

VERSION = 1

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Superseded(msgspec.Struct, frozen=True):
    """A partial result that no longer holds, but whose id goes on; times in seconds."""

    result_id: str
    channel_id: str | None
    start_time: float | None
    end_time: float | None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of a logical stream between two connections.

    Positions are bytes of the logical stream.

    :param version: 1.
    :param parameters: Those that the stream was made with, its session id among them.
    :param exported_at: When, in seconds since 1970.
    :param connections: How many it has had.
    :param input_ended: Whether more audio will come.
    :param audio: What may have to be sent again, in base64.
    :param audio_start: The position of its first byte.
    :param audio_settled: The position up to which final results have come.
    :param audio_sent: The position up to which the last connection was sent audio.
    :param settled: The time up to which every channel has its final results, in seconds.
    :param final_up_to: The end of each channel's last final result.
    :param superseded: The partial results that were open.
    """

    version: Literal[1]
    parameters: dict[str, Any]
    exported_at: float
    connections: _Number
    input_ended: bool
    audio: bytes
    audio_start: _Number
    audio_settled: _Number
    audio_sent: _Number
    settled: Annotated[float, msgspec.Meta(ge=0)]
    final_up_to: list[tuple[str | None, float]]
    superseded: list[Superseded]

    def __post_init__(self) -> None:
        if self.audio_settled > self.audio_start:
            raise ValueError("audio_settled is above audio_start")
        if self.audio_sent > self.audio_start + len(self.audio):
            raise ValueError("audio_sent is behind the end of the audio")


def read_state(text: str | bytes) -> State:
    """Read a state.

    :raises ValidationException: for what is none, or is of a version that this one does not
        know.
    """
    try:
        return msgspec.json.decode(text, type=State)
    except (msgspec.MsgspecError, TypeError, UnicodeError) as error:
        raise ValidationException(
            f"the state must be what export_state returned, version {VERSION}: {shown(str(error))}"
        ) from error


def write_state(state: State) -> str:
    """Write a state as JSON.

    :raises ValidationException: for a parameter that JSON cannot hold.
    """
    try:
        return msgspec.json.encode(state).decode()
    except TypeError as error:
        raise ValidationException(f"the stream cannot be handed over: {error}") from error
