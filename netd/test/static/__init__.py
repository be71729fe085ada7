"""Tests of the static tree."""
