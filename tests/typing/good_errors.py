# mypy: disallow-any-expr
# pyright: strict
"""Exceptions: what they are, and what they carry."""

from __future__ import annotations

from typing_extensions import assert_type

from amazon_transcribe import TranscribeStreamingClient
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectException,
    ConnectionLostException,
    HTTPException,
    InvalidParameterException,
    LimitExceededException,
    ParserError,
    SDKError,
    ServiceException,
    StreamResetException,
    TimeoutException,
    TruncatedStreamException,
    UnknownServiceException,
    ValidationException,
)


async def start(client: TranscribeStreamingClient) -> None:
    try:
        await client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
        )
    except InvalidParameterException as error:
        assert_type(error.parameter, str)
        assert_type(error.message, str)
        refusal: BadRequestException = error
        wrong_value: ValidationException = error
        print(refusal, wrong_value)
    except UnknownServiceException as error:
        assert_type(error.error_code, str | None)
    except ServiceException as error:
        assert_type(error.status_code, int)
    except TimeoutException as error:
        assert_type(error.phase, str)
        assert_type(error.seconds, float)
        builtin: TimeoutError = error
        print(builtin)
    except ConnectException as error:
        assert_type(error.transient, bool)
    except StreamResetException as error:
        assert_type(error.code, int)
        assert_type(error.unprocessed, bool)
    except ConnectionLostException as error:
        assert_type(error.code, int)
    except TruncatedStreamException as error:
        truncated: ParserError = error
        assert_type(truncated.offset, int)
    except HTTPException as error:
        assert_type(error.request_id, str | None)
    except SDKError as error:
        assert_type(error.session_id, str | None)
        assert_type(error.audio_bytes_sent, int)


def refuse() -> list[SDKError]:
    return [LimitExceededException("too many"), UnknownServiceException(418, None, "teapot")]
