"""Tests of netd.xmlrpc."""
