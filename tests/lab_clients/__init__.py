"""
Clients of httpbin, each a script: `CLIENT URL` prints as JSON what it saw there.
"""
