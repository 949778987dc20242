"""A core: its windows, its memories and task lists, its scan side and its neuron side."""
