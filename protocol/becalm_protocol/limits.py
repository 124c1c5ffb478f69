"""Caps on everything a peer controls, each with its reason."""

# A waveform of 2,048 samples is at most 45 KB of JSON: that fits, and one read stays bounded.
MAX_FRAME_BYTES = 65_536
# 2,048 samples are 2 s at 1 kHz: more in one notification or one chunk is a fault, not a sensor.
MAX_SAMPLES_PER_BLOCK = 2_048
# MTU 517 leaves room for 256 RR intervals in one Heart Rate notification.
MAX_RR_PER_BLOCK = 256
# A person wears a handful of sensors, and an optical arm band alone has nine streams; 64 leave room for a laboratory.
MAX_STREAMS = 64
# Names are labels for people; longer ones are a fault or an attack.
MAX_NAME_CHARS = 64
# A note is a sentence or two.
MAX_NOTE_CHARS = 500
# A signed token is some 400 characters; longer ones are an attack.
MAX_TOKEN_CHARS = 1_000
# 1 Hz temperature to 4 kHz EMG; outside this a rate label is wrong.
MIN_SAMPLE_RATE_HZ = 0.1
MAX_SAMPLE_RATE_HZ = 4_000.0
# 2**53 ns are 104 days, and the largest integers that every JSON reader keeps exact.
MAX_SESSION_NS = 2**53
# A count of a femto-unit or of a peta-unit is a slip; within this, products of samples stay finite.
MIN_UNIT_PER_COUNT = 1e-15
MAX_UNIT_PER_COUNT = 1e15
# int32 holds 24-bit sensors with room to spare.
MIN_COUNT = -(2**31)
MAX_COUNT = 2**31 - 1
# Un-acknowledged frames an agent may have in flight for each stream.
CREDIT_FRAMES = 256
# A person reads one number a second, an instrument the four that there are; slower than once a minute is no live value.
MIN_METRICS_HZ = 1 / 60
MAX_METRICS_HZ = 4.0
