"""The server: sessions, the live pipeline's home, the archive, and thin edges of HTTP and WebSocket.

Imports becalm_protocol and becalm_signal, never another room. psycopg stays in archive/, fastapi and starlette in the
edges (app, http_*, ws_*, wire_socket, origin, problems). Open `session.py` first: one sample's way through the server.
"""
