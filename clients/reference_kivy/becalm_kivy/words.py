"""Every sentence a person reads, in one flat table, so that it can be translated as a whole.

Signals and sensors are the subject of these sentences, never the person. Placeholders are named.
"""

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
