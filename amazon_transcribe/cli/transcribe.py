"""`amazon-transcribe transcribe`."""

from __future__ import annotations

import argparse
import asyncio
from array import array
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._protocol.constants import SILENT_SAMPLE
from .._protocol.constraints import SAMPLE_RATE, Integer
from ..audio import AudioSource, Channels, open_audio
from ..audio._clock import clock_of
from ..exceptions import (
    CredentialsException,
    HTTPException,
    InvalidParameterException,
    SDKError,
)
from .arguments import HelpFormatter, whole
from .display import Display, Progress
from .errors import DONE, FAILED, UNUSABLE, Unusable, exit_code, one_line
from .jobs import Job, jobs_of
from .local_server import (
    add_engine,
    check_local,
    engine_options,
    start_server,
    vocabularies_of,
)
from .output import Output, OutputClosed, OutputFailed, open_output, rescue
from .service_options import add_service_options, service_parameters, with_flags
from .signals import run
from .transcript import FORMATS, SUFFIXES, Transcript

if TYPE_CHECKING:
    from ..client import TranscribeStreamingClient
    from ..results import Said
    from ..resume import Reconnected, Reconnecting
    from ..transcribe import Transcription as Finished


def add_transcribe(commands: Any) -> None:
    """Add the command `transcribe`."""
    parser = commands.add_parser(
        "transcribe",
        usage="%(prog)s [OPTION ...] AUDIO [AUDIO ...]",
        help="transcribe recordings, standard input or the microphone",
        description="Send audio to Amazon Transcribe, or to a local server, and write the "
        "transcript. On a terminal the words appear while they are spoken. What was recognised "
        "before a failure or Ctrl-C is written too, and ends with a mark: [incomplete], in JSON "
        '"incomplete": true.',
        epilog="""examples:
  amazon-transcribe transcribe --local talk.wav
  amazon-transcribe transcribe --local --format vtt -o film.vtt film.mp4
  amazon-transcribe transcribe --local --format srt --output-dir captions *.mp4
  amazon-transcribe transcribe --region eu-west-1 --jobs 8 calls/*.mp3
  amazon-transcribe transcribe --region eu-west-1 --operation call-analytics
      --channels split call.wav
  curl -s https://example.com/talk.mp3 |
      amazon-transcribe transcribe --local -
  arecord -f S16_LE -r 16000 |
      amazon-transcribe transcribe --region eu-west-1 -
  amazon-transcribe transcribe --local mic        (Ctrl-C ends the recording)""",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_transcribe)
    parser.add_argument(
        "audio",
        metavar="AUDIO",
        nargs="+",
        help="a recording of any kind, raw PCM, a pattern such as '*.mp4', '-' for standard "
        "input, 'mic' for the microphone",
    )
    add_where(parser).add_argument(
        "--jobs",
        type=whole(Integer(1, 1000)),
        default=1,
        metavar="N",
        help="recordings to transcribe at a time (default: 1)",
    )
    audio = add_audio(parser)
    audio.add_argument(
        "--passthrough",
        action="store_true",
        help="send FLAC, Opus in Ogg and G.711 as they are, unless the rate or the channels must "
        "be changed: fewer bytes, but FLAC and Opus do not resume a lost connection",
    )
    audio.add_argument(
        "--sides",
        action="store_true",
        help="the two AUDIO are the two sides of one call",
    )
    _add_output(parser)
    add_service_options(parser)
    add_engine(parser.add_argument_group("recogniser"), "with --local: ")


def add_where(parser: argparse.ArgumentParser) -> Any:
    """Add the options that say who transcribes; return their group."""
    group = parser.add_argument_group("where")
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "--local",
        action="store_true",
        help="recognise on this machine, without an AWS account",
    )
    where.add_argument(
        "--endpoint-url", metavar="URL", help="another server, such as one that 'serve' runs"
    )
    group.add_argument(
        "--region",
        help="AWS region (default: AWS_REGION, AWS_DEFAULT_REGION; us-east-1 with another server)",
    )
    group.add_argument(
        "--realtime",
        action=argparse.BooleanOptionalAction,
        help="send at the speed of speech, or faster, up to 240 s of audio ahead of the last "
        "result (default: faster to this machine only)",
    )
    return group


def add_audio(parser: argparse.ArgumentParser) -> Any:
    """Add the options that say what the audio is; return their group."""
    group = parser.add_argument_group("audio")
    group.add_argument(
        "--sample-rate",
        type=whole(SAMPLE_RATE),
        metavar="HZ",
        help="sample rate, 8000 to 48000: raw audio needs it, recordings have their own",
    )
    group.add_argument(
        "--raw",
        choices=tuple(SILENT_SAMPLE),
        help="the audio has no header and is encoded so, whatever its first bytes look like",
    )
    group.add_argument(
        "--channels",
        type=_channels,
        default="mix",
        metavar="{mix,split,N}",
        help="make one channel of all, tell the two of a stereo recording apart, or take the "
        "one of this number, from 0 (default: mix)",
    )
    return group


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="text or JSON lines as they come, JSON lines with partial results; or one document "
        "at the end: JSON with 'transcript' and 'results', or captions (default: %(default)s)",
    )
    add_names(group)
    group.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write to a file, which appears when it is complete (default: standard output for "
        "one recording, talk.txt beside each talk.mp4 for several)",
    )
    group.add_argument(
        "--output-dir", metavar="DIR", help="write a file for each recording to a directory"
    )
    group.add_argument(
        "--force",
        action="store_true",
        help="with several recordings: do those again whose files are there",
    )
    group.add_argument(
        "--record",
        metavar="FILE",
        help="write the bytes that the service sends to a file, for 'inspect'",
    )
    group.add_argument(
        "-q", "--quiet", action="store_true", help="show no progress, only text and errors"
    )


def add_names(group: Any) -> None:
    """Add the option that names speakers and channels."""
    group.add_argument(
        "--names",
        type=_names,
        metavar="LABEL=NAME,LABEL=NAME",
        help="names of speakers or channels by their labels: 0=Anna,1=Ben, or ch_0=Anna",
    )


def _channels(text: str) -> Channels:
    """Read what becomes of the channels."""
    if text in ("mix", "split"):
        return text  # type: ignore[return-value]
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"must be mix, split or a channel's number, not {text!r}")


def _names(text: str) -> dict[str, str]:
    """Read names by their labels."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if all(label and name for label, _, name in pairs):
        return {label.strip(): name.strip() for label, _, name in pairs}
    raise argparse.ArgumentTypeError("must have the form LABEL=NAME,LABEL=NAME")


def _transcribe(arguments: argparse.Namespace) -> int:
    check_local(arguments)
    if arguments.record and str(arguments.endpoint_url).startswith("ws"):
        raise Unusable("--record goes with an endpoint of http:// or https://")
    if arguments.operation == "call-analytics" and not (
        arguments.sides or arguments.channels == "split"
    ):
        raise Unusable(
            "--operation call-analytics needs two channels: --channels split, or two recordings"
            " with --sides"
        )
    vocabularies = vocabularies_of(arguments)
    service_parameters(arguments)  # refuses what does not go together, before anything begins
    interrupts: list[Callable[[], None]] = []
    return run(_transcribe_all(arguments, interrupts, vocabularies), interrupts)


async def _transcribe_all(
    arguments: argparse.Namespace,
    interrupts: list[Callable[[], None]],
    vocabularies: Mapping[str, Path],
) -> int:
    jobs = jobs_of(arguments)
    alone = len(jobs) == 1 and arguments.output_dir is None
    captions = alone and arguments.format == "text" and jobs[0].output in (None, "-")
    display = Display(captions=captions, quiet=arguments.quiet)
    async with AsyncExitStack() as stack:
        if alone:
            task = _Transcription(arguments, display, jobs[0], interrupts)
            with task.output() as output:
                async with task.audio() as audio:  # before a server is started for it
                    client = await _connect(arguments, display, stack, vocabularies)
                    with display.attached():
                        await task.run(client, audio, output)
            return DONE
        if arguments.record:
            raise Unusable("--record is for one recording")
        to_do = [job for job in jobs if arguments.force or not job.is_done]
        common = await _connect(arguments, display, stack, vocabularies) if to_do else None
        stack.enter_context(display.attached())
        return await _Several(arguments, display, jobs, to_do).run(common)


async def _connect(
    arguments: argparse.Namespace,
    display: Display,
    stack: AsyncExitStack,
    vocabularies: Mapping[str, Path],
) -> TranscribeStreamingClient:
    from ..files import open_client
    from ..limiter import MAX_STREAMS, StreamLimiter

    transport = None
    if arguments.record:
        from .wire_record import recording_transport

        transport = stack.enter_context(recording_transport(arguments.record))
    server = None
    if arguments.local:
        server = await start_server(
            stack, page=False, vocabularies=vocabularies, **engine_options(arguments)
        )
        display.notice(f"local: {server.engine_name} answers")
    return await stack.enter_async_context(
        open_client(
            local=server or False,
            region=arguments.region,
            endpoint_url=arguments.endpoint_url,
            limiter=StreamLimiter(max(arguments.jobs, MAX_STREAMS)),
            transport=transport,
        )
    )


class _Several:
    """Several transcriptions, so many at a time, and their summary."""

    def __init__(
        self, arguments: argparse.Namespace, display: Display, jobs: list[Job], to_do: list[Job]
    ) -> None:
        self._arguments = arguments
        self._display = display
        self._recordings = [path for job in jobs for path in job.recordings]
        self._to_do = to_do
        self._done = 0
        self._skipped = len(jobs) - len(to_do)
        self._failed: dict[str, int] = {}  # exit codes, by name

    async def run(self, client: TranscribeStreamingClient | None) -> int:
        """Transcribe all and return the exit code."""
        waiting = iter(self._to_do)
        workers = [
            asyncio.create_task(self._work(client, waiting))
            for _ in range(min(self._arguments.jobs, len(self._to_do)))
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._display.notice(self._summary())
        if not self._failed:
            return DONE
        return FAILED if FAILED in self._failed.values() else UNUSABLE

    async def _work(self, client: TranscribeStreamingClient | None, waiting: Iterator[Job]) -> None:
        for job in waiting:
            assert client is not None
            task = _Transcription(self._arguments, self._display, job, [], self._recordings)
            try:
                with task.output() as output:
                    async with task.audio() as audio:
                        await task.run(client, audio, output)
            except CredentialsException:
                raise  # no other job has any
            except (SDKError, Unusable) as error:
                self._failed[job.name] = exit_code(error)
                self._display.error(f"amazon-transcribe: {job.name}: {one_line(error)}")
            else:
                self._done += 1
                self._display.notice(f"{job.name}: {job.output}")

    def _summary(self) -> str:
        parts = [f"{self._done} transcribed"]
        if self._skipped:
            parts.append(f"{self._skipped} there already (--force does them again)")
        if self._failed:
            parts.append(f"{len(self._failed)} failed: {', '.join(self._failed)}")
        left = len(self._to_do) - self._done - len(self._failed)
        if left:
            parts.append(f"{left} not done")
        return ", ".join(parts)


class _Transcription:
    """One transcription of the command.

    :param recordings: What no output may overwrite, besides its own recordings.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        display: Display,
        job: Job,
        interrupts: list[Callable[[], None]],
        recordings: Iterable[str] = (),
    ) -> None:
        self._arguments = arguments
        self._display = display
        self._job = job
        self._interrupts = interrupts
        self._recordings = recordings or job.recordings
        told_apart = (
            arguments.show_speaker_label or arguments.channels == "split" or arguments.sides
        )
        names = arguments.names or ({} if told_apart else None)
        self._transcript = Transcript(arguments.format, names)

    def output(self) -> AbstractContextManager[Output]:
        """Open the output."""
        return open_output(self._job.output, self._recordings)

    def audio(self) -> AbstractAsyncContextManager[AudioSource]:
        """Open the audio."""
        recordings = self._job.recordings
        return open_audio(
            (recordings[0], recordings[1]) if len(recordings) == 2 else recordings[0],
            sample_rate_hz=self._arguments.sample_rate,
            channels=self._arguments.channels,
            raw=self._arguments.raw,
            passthrough=self._arguments.passthrough,
        )

    async def run(
        self, client: TranscribeStreamingClient, audio: AudioSource, output: Output
    ) -> None:
        """Transcribe; after a failure or a cancellation, write what was recognised."""
        from ..transcribe import IncompleteTranscription

        transcript = self._transcript
        seconds: float | None = None
        complete = False
        try:
            seconds = await self._transcribe(client, audio, output)
            complete = True
            self._display.write(output, transcript.rest(complete=True, seconds=seconds))
            output.finish()
        except OutputClosed:
            raise
        except BaseException as error:
            if not transcript.is_empty:
                whole = transcript.document(complete=complete, seconds=seconds)
                lost = isinstance(error, OutputFailed)
                place = self._kept(output, whole, lost)
                until = f"what was recognised up to {transcript.seconds:.1f} s"
                mark = "" if complete else ", marked as incomplete"
                self._display.error(f"{self._job.name}: {until} went to {place}{mark}")
            if isinstance(error, IncompleteTranscription):
                option = self._unresumed(audio)
                if option and isinstance(error.reason, HTTPException):
                    self._display.error(f"{self._job.name}: {option} does not resume a connection")
                raise error.reason from error
            if isinstance(error, InvalidParameterException):
                raise Unusable(with_flags(str(error))) from error
            raise

    async def _transcribe(
        self, client: TranscribeStreamingClient, audio: AudioSource, output: Output
    ) -> float | None:
        """Transcribe, and return the length of the audio."""
        display = self._display
        with display.progress(self._job.name, audio.duration) as progress:
            if audio.stop:
                self._interrupts.append(audio.stop)
                audio = replace(audio, chunks=_metered(audio, progress, display))

            def on_event(event: Said) -> None:
                text = self._transcript.add(event)
                progress.position = max(progress.position, self._transcript.seconds)
                display.show(event)
                display.write(output, text)
                display.update(progress)

            methods: dict[str, Callable[..., Awaitable[Finished]]] = {
                "transcription": partial(
                    client.transcribe, on_connection=lambda event: self._tell(event, progress)
                ),
                "call-analytics": client.transcribe_call,
                "medical": client.transcribe_medical,
                "medical-scribe": client.transcribe_medical_scribe,
            }
            said = await methods[self._arguments.operation](
                audio,
                realtime=self._arguments.realtime,
                on_event=on_event,
                **service_parameters(self._arguments),
            )
        if self._arguments.operation == "medical-scribe":
            await self._tell_of_notes(client, said.session_id)
        return said.seconds

    async def _tell_of_notes(self, client: TranscribeStreamingClient, session: str | None) -> None:
        """Tell what has become of the clinical notes, which the service writes from now on."""
        if session is None:
            return
        state = "IN_PROGRESS"
        try:
            answer = await client.get_medical_scribe_stream(session_id=session)
        except SDKError as error:
            state = f"unknown ({one_line(error)})"
        else:
            details = answer.medical_scribe_stream_details
            result = details and details.post_stream_analytics_result
            if notes := result and result.clinical_note_generation_result:
                told = (notes.status, notes.clinical_note_output_location, notes.failure_reason)
                state = " ".join(filter(None, told)) or state
        self._display.notice(f"{self._job.name}: session {session}, clinical notes: {state}")

    def _tell(self, event: Reconnecting | Reconnected, progress: Progress) -> None:
        """Tell of a connection that is lost, and of the one that takes its place."""
        from ..resume import Reconnecting

        if isinstance(event, Reconnecting):
            if event.reason is not None:
                self._display.notice(f"{self._job.name}: connection lost: {one_line(event.reason)}")
            return
        progress.resumed += 1
        self._display.notice(
            f"{self._job.name}: resumed at {event.start:.1f} s, {event.replayed:.1f} s of audio"
            " are sent again"
        )

    def _unresumed(self, audio: AudioSource) -> str | None:
        """Return the option with which a lost connection is the end, if there is one."""
        if self._arguments.operation != "transcription":
            return f"--operation {self._arguments.operation}"
        if audio.media_encoding not in SILENT_SAMPLE:
            return f"--passthrough of {audio.media_encoding}"
        return None

    def _kept(self, output: Output, document: str, lost: bool) -> str:
        """Write what was recognised, and return where it is.

        :param lost: Whether the output cannot be written.
        """
        if not lost:
            try:
                self._display.write(output, self._transcript.rest(complete=False))
                output.finish()
                return output.name
            except (OutputFailed, OutputClosed):  # Ctrl-C ends a pipe's reader too
                pass
        return rescue(document, SUFFIXES[self._arguments.format]) or "nowhere"


async def _metered(
    audio: AudioSource, progress: Progress, display: Display
) -> AsyncGenerator[bytes, None]:
    """Yield chunks of a microphone, and show how much was recorded and how loud it is."""
    clock = clock_of(audio.media_encoding, audio.sample_rate_hz, audio.channels)
    async with aclosing(audio.chunks):
        async for chunk in audio.chunks:
            samples = array("h", chunk)
            progress.peak = max(max(samples), -min(samples)) / 32768
            progress.position += clock.seconds(chunk)
            display.update(progress)
            yield chunk
