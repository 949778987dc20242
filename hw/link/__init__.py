"""The link: frames, commands, input windows and reports, and the pins they cross."""
