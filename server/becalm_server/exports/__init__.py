"""A stored session as a file for other programs: EDF+, XDF, CSV, Parquet, Kubios RR text, Garmin FIT, HL7 FHIR.

Reads the archive's snapshot of one session (`content.py`) and writes one file (`catalogue.py` lists the formats), in a
process of its own (`office.py` starts it, `__main__.py` is it). Imports becalm_protocol, becalm_signal's clock and
numpy; pyarrow only in `parquet_zip.py`, lazily. Open `content.py` first.
"""
