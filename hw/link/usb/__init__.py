"""USB: a byte stream as a CDC-ACM device, on a ULPI PHY or straight on D+ and D-.

Imports ``luna-usb`` (the extra ``usb``) in ``device`` alone.
"""
