"""Torch modules traced: the chain of their layers recorded, and their own forward run beside it.

May import what ``importers`` may, and its modules, but no framework's.
"""
