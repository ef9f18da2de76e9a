"""Residue numbers in optical phase: integers as their remainders, multiplied and summed modulo 2 pi."""
