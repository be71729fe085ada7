"""
URLs of the lab, with the parameters that its table has.

Rules: written by docs/generate.py; the standard library only.
"""

from __future__ import annotations

from netd.testing.quoting import Value, Values, target


class LabURLs:
    """Makes URLs below `url`; TypeError for a parameter that the lab does not have."""

    @property
    def url(self) -> str:
        """The URL of the daemon, without a slash at its end."""
        raise NotImplementedError

    def echo(
        self,
        *,
        delay: Value | None = None,
        body_delay: Value | None = None,
        pace: Value | None = None,
        chunk: Value | None = None,
        status: Value | None = None,
        header: Values | None = None,
        body: Value | None = None,
        size: Value | None = None,
        type: Value | None = None,
        encoding: Value | None = None,
        fault: Value | None = None,
        fault_rate: Value | None = None,
        retry_after: Value | None = None,
        fail_first: Value | None = None,
        workers: Value | None = None,
        key: Value | None = None,
        timing: Value | None = None,
        seed: Value | None = None,
    ) -> str:
        """
        /echo: the response that the parameters describe, by default the request body.

        - `delay`: wait before the head: a duration, or uniform:1s-3s, normal:1s,200ms
        - `body_delay`: wait between the head and the body (default 0)
        - `pace`: wait between chunks (default 0)
        - `chunk`: bytes in each chunk (at least 1)
        - `status`: a status, or several by weight: 200:3,503:1 (default 200)
        - `header`: a response header, as Name: value
        - `body`: the response body, in place of the request body
        - `size`: the size of a generated response body (at most 1073741824)
        - `type`: the Content-Type
        - `encoding`: the Content-Encoding (gzip, deflate, br, zstd)
        - `fault`: the kind of fault (close, reset, truncate, bad-length, bad-chunk, garbage, hang)
        - `fault_rate`: probability of the fault, from 0 to 1 (default 1; at most 1)
        - `retry_after`: seconds in a Retry-After (at most 1000000000)
        - `fail_first`: requests per key that fail, with `status` or 503 (at most 1000)
        - `workers`: responses of a key at a time, per process; the others queue (at least 1; at most 1000)
        - `key`: the key that fail_first counts by, and workers by too (else by path)
        - `timing`: whether Server-Timing says queue and delay (default no)
        - `seed`: the seed of all random choices; the same seed repeats them
        """
        return self.url + target(
            "echo",
            delay=delay,
            body_delay=body_delay,
            pace=pace,
            chunk=chunk,
            status=status,
            header=header,
            body=body,
            size=size,
            type=type,
            encoding=encoding,
            fault=fault,
            fault_rate=fault_rate,
            retry_after=retry_after,
            fail_first=fail_first,
            workers=workers,
            key=key,
            timing=timing,
            seed=seed,
        )

    def fault(
        self,
        kind: Value,
        *,
        delay: Value | None = None,
        rate: Value | None = None,
        seed: Value | None = None,
    ) -> str:
        """
        /fault/<kind>: a response with that fault.

        - `kind`: the kind of fault (close, reset, truncate, bad-length, bad-chunk, garbage, hang)
        - `delay`: wait before the fault
        - `rate`: probability of the fault, from 0 to 1 (default 1; at most 1)
        - `seed`: the seed of all random choices; the same seed repeats them
        """
        return self.url + target("fault", kind, delay=delay, rate=rate, seed=seed)

    def retry(
        self,
        times: Value,
        key: Value,
        *,
        status: Value | None = None,
        retry_after: Value | None = None,
    ) -> str:
        """
        /retry/<times>/<key>: failures for the key, then a success; DELETE forgets the key.

        - `times`: the number of failures (at most 1000)
        - `status`: the status of a failure (default 503; at least 400; at most 599)
        - `retry_after`: seconds in a Retry-After (at most 1000000000)
        """
        return self.url + target("retry", times, key, status=status, retry_after=retry_after)

    def delay(
        self,
        duration: Value,
        *,
        seed: Value | None = None,
    ) -> str:
        """
        /delay/<duration>: args, headers, origin and url, and the body, after a delay of at most --max-delay.

        - `duration`: a duration, or uniform:1s-3s
        - `seed`: the seed of all random choices; the same seed repeats them
        """
        return self.url + target("delay", duration, seed=seed)

    def status(
        self,
        codes: Value,
        *,
        seed: Value | None = None,
    ) -> str:
        """
        /status/<codes>: a status, or one of several by weight: 200:3,500:1.

        - `codes`: statuses from 200 to 999
        - `seed`: the seed of all random choices; the same seed repeats them
        """
        return self.url + target("status", codes, seed=seed)

    def drip(
        self,
        *,
        duration: Value | None = None,
        numbytes: Value | None = None,
        code: Value | None = None,
        delay: Value | None = None,
        seed: Value | None = None,
    ) -> str:
        """
        /drip: bytes one by one.

        - `duration`: time that the whole body takes (default 2)
        - `numbytes`: the number of bytes (default 10; at least 1; at most 10485760)
        - `code`: the status (default 200)
        - `delay`: wait before the first byte (default 0)
        - `seed`: the seed of all random choices; the same seed repeats them
        """
        return self.url + target(
            "drip",
            duration=duration,
            numbytes=numbytes,
            code=code,
            delay=delay,
            seed=seed,
        )

    def unstable(
        self,
        *,
        failure_rate: Value | None = None,
        seed: Value | None = None,
    ) -> str:
        """
        /unstable: 500 at a rate, else 200.

        - `failure_rate`: probability of a failure, from 0 to 1 (default 0.5; at most 1)
        - `seed`: the seed of all random choices; the same seed repeats them
        """
        return self.url + target("unstable", failure_rate=failure_rate, seed=seed)
