"""Tests; they mirror the tree they test."""
