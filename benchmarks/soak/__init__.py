"""Half an hour of many streams with random faults: ends, memory, warnings, what is left."""
