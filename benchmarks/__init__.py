"""Benchmarks: what the simulated product costs over the plain one. Scripts, not tests."""
