"""netd's own HTTP/1.1 engine: Twisted Resources on a strict, bounded, quick channel."""
