"""`urpo doctor`: what a machine lacks, and the command that mends it.

checks    the machine, the packages, the files a config names
gpu       NVIDIA machines: packages that fit one another, FP8
finding   what a check found
"""
