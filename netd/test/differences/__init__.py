"""
Every request that netd and psf/httpbin respond to differently, and why.

`table` lists the differences, `samples` makes requests, `servers` sends them to both.
docs/coming-from-httpbin.md shows the table.
"""
