"""Tests of netd.lab.endpoints."""
