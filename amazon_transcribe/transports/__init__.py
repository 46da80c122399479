"""What carries a stream's bytes: HTTP/2 or WebSocket on asyncio, awscrt, or memory."""
