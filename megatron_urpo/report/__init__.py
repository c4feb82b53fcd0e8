"""`urpo report`: one HTML file of a run directory.

page      the file, section by section
charts    lines and sparklines as SVG
referee   the panel of [monitoring]
samples   answers beside the judgements they got
"""
