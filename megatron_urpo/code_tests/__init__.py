"""Tests of code: their records, the encodings of data sets, and what an answer could take over.

    encodings -> records                     (names and ambiguity say what a row may leave open)

The data stage reads tests, the rewards run them; records and names need the standard library only.
"""
