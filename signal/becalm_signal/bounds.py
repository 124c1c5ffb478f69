"""What every bound of the live lane rests on."""

Z_95 = 1.96
"""Half width of a 95 % interval in standard deviations of a normal error."""
