"""Datagrams and byte streams that are not HTTP."""
