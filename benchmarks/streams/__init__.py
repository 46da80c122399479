"""What many live streams cost: CPU, lateness and memory, ours and the peers'."""
