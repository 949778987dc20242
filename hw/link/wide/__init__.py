"""The blocks of a link that takes and sends two bytes per clock (``link_bytes`` of the array).

The bytes of the wire come in *words* of 16 bits, the first byte lowest. If the low byte of a word
is 0, it is the only one: what follows the end of a frame begins another word. So every frame begins
with a word, and its bytes have fixed places in the frame buffers::

    frame         kind session seq ack b0 b1 ... bn        (with its CRC at the end)
    on the wire   code kind | session seq | ack b0 | b1 b2 | ... | bn 0
"""
