"""Benchmarks: `make bench` runs the short ones, `python -m benchmarks.NAME` one of them.

| name | measures |
|---|---|
| `micro` | the codec's twins, piece by piece: `pytest benchmarks/micro` |
| `compare` | the codec against others, in environments of their own |
| `memory` | that the codec's memory does not grow |
| `streams` | CPU, lateness, memory and starts of many live streams, and of other SDKs |
| `streams.memory` | what makes up the memory of a TLS stream |
| `profile` | whose the CPU of a paced event is: kernel, OpenSSL, the loop, ours by rooms |
| `imports` | CPU of importing the client, beside the original SDK |
| `growth` | whether an event and a start cost more among more streams |
| `calls` | Python calls of a chunk, an event, a start |
| `floor` | sending against SHA-256 alone, receiving against msgspec alone |
| `formats` | which containers, rates and channels are heard rightly |
| `faults` | what a program sees of each fault, and after how long |
| `pii` | precision and recall of the rules for personal information |
| `scale.archives` | what kills of nodes and drivers lose on Ray, and what Ray costs |
| `scale.limiter` | whether processes keep a limit that they share, when one is killed |
| `scale.relays` | what a rolling restart of relays loses of live calls |
| `resume` | what is lost and doubled when connections are cut |
| `speakers` | speaker labels of the local server, on mixed conversations |
| `latency` | how long finals of live speech take, and how many streams a core recognises |
| `soak` | half an hour of streams and faults: `make soak` |
| `vocabulary` | names heard with a custom vocabulary and without, harm and cost |
| `wer` | word errors of the local server |
"""
