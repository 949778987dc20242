"""The links of boards: each kind ties a wire of ``hw.link`` to the pins of a board."""
