"""Every sentence a person reads, in one flat table, so that it can be translated as a whole.

Signals and sensors are the subject of these sentences, never the person. Placeholders are named.
"""

APP_NAME = "becalm"

# The link to the server
CONNECTING = "Looking for the server."
CONNECTED = "Connected to the server."
SERVER_SILENT = "The server does not answer. Check that it runs and that this device is on the same network."
SERVER_QUIET = "The server has gone quiet. Trying again."
SERVER_GONE = "The link to the server broke off. Trying again."
SERVER_RESTARTING = "The server is restarting. Trying again."
SERVER_BUSY = "The server has too much to do. Trying again."
OTHER_VERSION = "This app and the server speak different versions. Update the older one."
NOT_BECALM = "Something answered at this address, but not a becalm server. Check the address."
REFUSED = "The server could not do this (status {status})."

# Where the person is
NO_AGENT = "The server is here. Now start the agent on the computer beside you: becalm agent."
SENSOR_NOT_FOUND = "No sensor found yet. Put the strap on, damp its pads, and keep the computer near."
READY = "Sensors are here. Sit comfortably and start when you like."
WAITING = "Starting. Waiting for the sensors."
CALIBRATING = "Sit and breathe as you like. Your resting state is being learnt."
PRACTISING = "Breathe with the circle. Gentle, not deep."
REPLAYING = "A recording is being played. Nothing here is live."
ALONE = "Breathe with the circle. Gentle, not deep. Nothing is measured."
ENDED = "This session has ended."

# What needs a hand, while practice goes on
PRACTICE_GOES_ON = "Your practice goes on."
LINK_LOST = "The link to the server is away."
AGENT_LOST = "The computer with the sensors is away."
HEART_LOST = "The strap has lost touch; damp it."
BREATH_LOST = "The belt has lost touch; move nearer to the computer."
SKIN_LOST = "The skin sensor has lost touch; press its pads on."
HEART_STALE = "Nothing new from the strap; what is dimmed is from earlier."
BREATH_STALE = "Nothing new from the belt; what is dimmed is from earlier."
SKIN_STALE = "Nothing new from the skin sensor; what is dimmed is from earlier."
HEART_UNCLEAR = "The strap's signal is unclear; damp its pads and sit still for a moment."
BREATH_UNCLEAR = "The belt's signal is unclear; make it a little tighter."
SKIN_UNCLEAR = "The skin sensor's signal is unclear; press its pads on and rest the hand."

# Sensors
STRAP = "Strap"
BELT = "Belt"
SKIN_SENSOR = "Skin"
STATE_NOT_FOUND = "not found"
STATE_FOUND = "found"
STATE_LIVE = "live"
STATE_UNCLEAR = "unclear"
STATE_LATE = "late"
STATE_STALE = "earlier"
STATE_LOST = "lost"
BATTERY = "{level_pct} %"
AGO = "{seconds} s ago"

# Curves
HEART_TRACE = "Heart rate"
BREATH_TRACE = "Breath"
SKIN_TRACE = "Skin conductance"
LAST_MINUTE = "last minute"
FROM_EARLIER = "from earlier"
NOTHING_YET = "nothing yet"

# Why a value is not shown: about the sensor, and what to do
WITHHELD_NO_SENSOR = "no sensor for this"
WITHHELD_WARMING_UP = "gathering the first samples"
WITHHELD_SENSOR_LOST = "sensor away; damp it or move nearer"
WITHHELD_NOISY = "signal unclear; sit still for a moment"
WITHHELD_FLAT = "no contact; press the sensor on"
WITHHELD_SATURATED = "sensor at its limit; loosen it a little"
WITHHELD_OUT_OF_RANGE = "sensor out of its range; put it on anew"
WITHHELD_TOO_FEW_BEATS = "waiting for more beats"
WITHHELD_TOO_MANY_ARTEFACTS = "many unclear beats; damp the strap"
WITHHELD_NO_BREATH = "belt feels no breath; tighten it a little"
WITHHELD_BASELINE = "learning your resting state"
WITHHELD_TOO_FEW_SIGNALS = "needs one more sensor"

# The settling shape
SETTLING = "Settling"
SETTLING_MORE = "Quieter than at your own rest."
EASING = "Easing"
EASING_MORE = "Your arousal is ebbing."
STEADY = "Steady"
STEADY_MORE = "As at your own rest."
ACTIVE = "Active"
ACTIVE_MORE = "Your body is active right now. That is information, not danger."
SETTLING_STALE = "No new value for a while; the shape rests where it was."
NOT_YET = "Not yet"

# Numbers
HEART_RATE = "Heart rate"
RMSSD = "RMSSD"
BREATHING_RATE = "Breathing"
SKIN_LEVEL = "Skin level"
SKIN_RESPONSES = "Skin responses"
AROUSAL = "Arousal, 50 is your rest"
PER_MIN = "/min"
MS = "ms"
US = "\u00b5S"
AGE = "Newest sample {age_s} s old, curves shown {delay_s} s behind"

# The pacer
BREATHE_IN = "Breathe in"
BREATHE_OUT = "Breathe out"
AS_YOU_LIKE = "As you like"
SECONDS_LEFT = "{seconds} s"
REST = "Rest"

# The end
SUMMARY_FELT = "First, notice how you feel now, compared with the beginning."
FELT_EASIER = "Easier"
FELT_SAME = "The same"
FELT_MORE_TENSE = "More tense"
FELT_STAYS = "This answer stays on this screen."
SUMMARY_EASED = "Arousal eased from {start} to {end}, where 50 is your own rest."
SUMMARY_MORE_ACTIVE = "Your body was more active at the end: from {start} to {end}, where 50 is your own rest. \
That is information, not danger."
SUMMARY_CANNOT_TELL = "From {start} to {end}, where 50 is your own rest: within its bounds one cannot tell."
SUMMARY_TOO_SHORT = "One cannot tell how arousal changed: it takes three minutes of practice with clear signals."
SUMMARY_START_NOT_SEEN = "One cannot tell how arousal changed: this screen joined after the practice had begun."
SUMMARY_NO_PRACTICE = "It ended before the practice began, so there is nothing to compare."
SUMMARY_CURVE = "Arousal over the practice"
SUMMARY_MINUTES = "{clock} minutes of practice"
DONE = "Done"

# The window
START = "Start"
STOP = "Stop"
BEGIN_ALONE = "Pacer only"
PAUSE_MOTION = "Pause motion"
MOVE_AGAIN = "Move again"
OPTIONS = "Options"
OPTION_CURVES = "Show curves"
OPTION_NUMBERS = "Show numbers"
OPTION_LESS_MOTION = "Less motion"
OPTION_TEXT = "Text size"
PERCENT = "{percent} %"
OPTIONS_DONE = "Done"
MOTION_PAUSED = "motion paused"
STOPPED_HERE_ONLY = "The server could not be told. This screen has stopped; the server may go on recording."

# Where no window can open
KIVY_MISSING = "Kivy is not installed (pip install becalm[kivy])"
NO_DISPLAY = "there is no display (DISPLAY and WAYLAND_DISPLAY are empty)"
DISPLAY_SILENT = "the display {display} does not answer"
NO_WINDOW = "no window could be opened. On Debian or Ubuntu run: apt-get install libgl1 libegl1 libgl1-mesa-dri \
libmtdev1; or use the terminal view"
