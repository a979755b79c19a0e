"""Tests of kernel.net: streams against bytes, ports against the rules, files on their way."""
