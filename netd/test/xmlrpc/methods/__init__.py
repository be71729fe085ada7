"""Tests of netd.xmlrpc.methods."""
