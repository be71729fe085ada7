"""Tests of netd.ops.logging."""
