"""
What clients of httpbin rely on, checked on any URL: `python -m netd.test.conformance URL`.

Rules: knows HTTP and nothing of netd; every check is one function that sends
requests and compares responses, of psf/httpbin, go-httpbin or netd.
"""
