"""The network a user writes or imports: layers, neurons, inputs, pools, its file, quantization.

May import ``support`` and ``spec``."""
