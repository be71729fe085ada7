"""The peers' own small programs, one a file.

Rules: each is run by the peers' interpreter (`bench/venv.py`), imports nothing from netd or
from the rest of the bench, and responds with 58 bytes of text/plain, under `/delay/` after 3 s.
"""
