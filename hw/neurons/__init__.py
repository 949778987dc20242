"""The neuron side of a core: from sums to spikes, rows on the bus and reports."""
