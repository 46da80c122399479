"""What carries a stream's bytes: HTTP/2 on asyncio, or memory."""
