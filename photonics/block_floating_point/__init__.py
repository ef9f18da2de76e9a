"""Integrated engines with adaptive block floating point: a scale per tile and vector, a gain ahead of the converter."""
