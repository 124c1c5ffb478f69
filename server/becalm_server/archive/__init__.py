"""What is kept: raw events exactly as received, what was derived from them, reports. The only importer of psycopg.

PostgreSQL is the one dialect: an embedded one (`embedded.py`), or any other by its URL; TimescaleDB is an overlay of
migrations. Open `store.py` first, then `writer.py` for what "acknowledged" means and `packer.py` for what comes after.
"""
