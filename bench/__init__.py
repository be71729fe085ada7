"""netd's bench: netd and its peers measured side by side on one machine.

    python -m bench http     # CPU per request and requests per second, a table per workload
    python -m bench c10k     # 10 000 connections at once, each asking for 3 s
    python -m bench idle     # memory of a connection that waits after one request
    python -m bench --help   # the other commands

Run it from the root of the checkout with the interpreter that runs netd; the peers get a
virtual environment of their own (`bench/venv.py`). All need `taskset` and two cores, `http`
needs `wrk`, its TLS workload `openssl`. The tables go to stdout as Markdown for
docs/benchmarks.md, progress to stderr. The exit status is 1 when a row is an error, 2 when
nothing was measured.

Rules:
- The bench compares no figure with a limit.
- Every load is on 127.0.0.1 and bounded in count and time.
- Only processes started here are ended, by their pid, on Ctrl-C and SIGTERM too.
- Standard library only (so dataclasses, not attrs): the bench runs whether or not netd does.
"""
