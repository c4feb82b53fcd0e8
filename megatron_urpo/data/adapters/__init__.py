"""Public data sets in their own schemas: one small file each, listed in `table`.

An adapter turns a row of its data set into a record of our schema (docs/data.md). It checks what
only it knows, such as how a rank is written; what every record has to satisfy is checked where all
records are read, in data.jsonl.
"""
