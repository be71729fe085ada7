"""The worst that a client may send, to every parser, pattern and route."""
