"""Tests of the rpc room; they mirror it."""
