"""Numbers that the formulas share."""

FLOP_PER_PARAMETER = 2.0
"""Of one token: a multiplication and an addition for each active parameter."""
FLOP_PER_PAIR = 4.0
"""Of attention, for each layer, head and width of a head: scores and weighted values."""
BYTES_PER_NUMBER = 2.0
"""Of what GPUs exchange: 16 bits."""
JOULES_PER_WH = 3600.0
SECONDS_PER_HOUR = 3600.0
HOURS_PER_DAY = 24.0
DAYS_PER_YEAR = 365.0
WH_PER_KWH = 1000.0
W_PER_MW = 1e6
KG_PER_T = 1000.0
LED_W = 10.0
"""Of a lamp, for comparison."""
MICROWAVE_W = 1000.0
"""Of an oven, for comparison."""
