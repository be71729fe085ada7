"""
What clients of httpbin rely on, asked of any base URL: `python -m netd.test.conformance URL`.

Rules: knows HTTP and nothing of netd; every check is one function that asks
and compares, and can be run against psf/httpbin, go-httpbin or netd.
"""
