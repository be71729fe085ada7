"""Tests of netd.testing."""
