"""NIR files and graphs: read into operations, and written.

May import what ``importers`` may, and its modules.
"""
