"""Caps on everything a peer controls, each with its reason."""

# A frame of 4,096 samples in JSON is about 30 KB; twice that leaves room and still bounds one read.
MAX_FRAME_BYTES = 65_536
# 4,096 samples are 4 s at 1 kHz: more in one notification or one chunk is a fault, not a sensor.
MAX_SAMPLES_PER_BLOCK = 4_096
# MTU 517 leaves room for 256 RR intervals in one Heart Rate notification.
MAX_RR_PER_BLOCK = 256
# A person wears a handful of sensors; 16 streams leave room for a laboratory.
MAX_STREAMS = 16
# Names are labels for people; longer ones are a fault or an attack.
MAX_NAME_CHARS = 64
# A note is a sentence or two.
MAX_NOTE_CHARS = 500
# 1 Hz temperature to 4 kHz EMG; outside this a rate label is wrong.
MIN_SAMPLE_RATE_HZ = 0.1
MAX_SAMPLE_RATE_HZ = 4_000.0
# 2**53 ns are 104 days, and the largest integers that every JSON reader keeps exact.
MAX_SESSION_NS = 2**53
# int32 holds 24-bit sensors with room to spare.
MIN_COUNT = -(2**31)
MAX_COUNT = 2**31 - 1
# Un-acknowledged frames an agent may have in flight for each stream.
CREDIT_FRAMES = 256
