"""Tests for netd.options."""
