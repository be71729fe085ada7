"""Between the kernel and a protocol: listening, TLS, draining.  Knows no HTTP."""
