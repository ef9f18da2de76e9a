"""Machines that models run on, and how their technology may develop: conventional accelerators, and roadmaps."""
