"""The machine that Optical Transformers account for: a quantiser, a photon budget and energy by operand."""
