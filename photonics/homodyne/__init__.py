"""Coherent engines: two streams of light fields are multiplied on balanced photodiodes and summed over time."""
