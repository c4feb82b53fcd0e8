"""From public data sets to files for a run, as tools/prepare_data.py does it.

    raw_rows -> adapters -> filters -> parts -> duplicates -> outputs, manifest
    (or hub)                (contamination)

A source is read as a stream, in parts of some thousand rows. What becomes of every row is written
down; a finished part is never read again, so that a killed preparation goes on where it was.
"""
