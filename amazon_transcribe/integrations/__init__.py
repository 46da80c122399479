"""Speech to text for frameworks of voice agents: `livekit` and `pipecat`.

Each module needs its framework, by the extra of the same name, and is imported by programs
that use it. Both do the same: one logical stream that outlives its connections, silence where
the framework gives no audio, each start of speech paired with an end.
"""
