"""Integrated tensor cores that modulate both operands in every symbol, so that nothing stands on a panel."""
