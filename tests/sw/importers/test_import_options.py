"""Options and arguments of importers that are refused."""

import numpy as np
import pytest
import stablespike as ss
from import_models import INPUTS
from refusals import refuses
from snntorch_models import SAMPLES, STEPS, model

snn = pytest.importorskip("snntorch")

EVENTS = np.zeros(3, [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "i2")])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weight_bits": 5}, ValueError, "weight_bits ... 4 or 8 ... 5"),
        ({"weigth_bits": 4}, TypeError, "weigth_bits"),
        ({"fraction_bits": 16}, ValueError, "fraction_bits ... 0 to 8 ... 16"),
        ({"approximate": 1}, TypeError, "approximate ... True or False ... 1"),
        ({"readout": "best"}, ValueError, "readout ... one of"),
        ({"input": (24,)}, TypeError, "input ... a PixelInput or a FrameInput, not (24,)"),
        ({"input": ss.SpikeInput((25,))}, ValueError, "input must have the 24 values"),
        ({"input": ss.PixelInput((24,), 4)}, ValueError, "input_scale ... given for pixels"),
        ({"input": ss.PixelInput((24,)), "input_scale": 0.1}, ValueError, "steps ... given"),
        ({"input": ss.FrameInput((24,), 4)}, ValueError,
         "input_scale must be given for frames: ... given for a value of 1, such as 1 / 15 if it"),
        ({"input": ss.FrameInput((24,), 4, zero=8)}, ValueError,
         "input_scale ... for a value of 9, such as 1 / 8 if it knows them as -1 to 1"),
        ({"input_scale": -1}, ValueError, "input_scale ... positive finite number ... -1"),
        ({"input_scale": "1/15"}, ValueError, "input_scale ... positive finite number"),
        ({"labels": [1]}, ValueError, "labels are those of the calibration samples"),
        ({"calibration": np.zeros((3, 4, 5))}, ValueError, "calibration: samples ... (batch"),
        ({"calibration": np.zeros((0, 4, 24))}, ValueError, "at least 1 sample, not 0"),
        ({"calibration": SAMPLES, "labels": [1]}, ValueError, "labels ... (270,) integers"),
        ({"calibration": SAMPLES[:3], "labels": [0, 1, -1]}, ValueError,
         "labels ... 0 to 19 ... -1 (at [2])"),
        ({"calibration": SAMPLES[:2], "labels": [0, 20]}, ValueError,
         "labels ... 0 to 19 ... 20 (at [1])"),
        ({"calibration": [EVENTS, EVENTS]}, ValueError,
         "calibration: event samples need bin_time ... or bin_count"),
        ({"calibration": EVENTS, "bin_time": 1}, TypeError,
         "calibration: samples must be a list of event arrays, one per sample: [events]"),
        ({"calibration": [EVENTS], "bin_time": 1, "steps": None}, ValueError,
         "calibration: steps must be given for recordings"),
        ({"test": [EVENTS], "bin_count": 3}, ValueError,
         "test: bin_count must be 4, the steps of a sample, not 3"),
        ({"test": [EVENTS], "bin_count": 0, "steps": None}, ValueError,
         "test: bin_count must be from 1 to 65536, not 0"),
        ({"calibration": [EVENTS], "bin_time": 1, "time_axis": 0}, ValueError,
         "calibration: time_axis must be 1 for events, not 0"),
        ({"calibration": [EVENTS], "bin_time": 1, "input": ss.PixelInput((24,)),
          "input_scale": 0.1, "steps": 4}, ValueError,
         "calibration: samples are events, but the network's input is pixels"),
        ({"calibration": [EVENTS, SAMPLES[0]], "bin_time": 1}, TypeError,
         "calibration: samples must all be event arrays ... samples[1] is not"),
        ({"calibration": SAMPLES, "bin_time": 1}, ValueError,
         "bin_time is for event arrays, which these samples are not"),
        ({"late": "drop"}, ValueError, "late is for event arrays"),
        ({"calibration": [EVENTS], "bin_time": 1, "excess": "saturate"}, ValueError,
         "calibration: excess 'saturate' is for counts of events"),
        ({"scale": "x"}, TypeError, "scale ... real numbers ... of <U1"),
        ({"scale": [0.1]}, ValueError, "a list of 2, one for each layer, not of 1"),
        ({"scale": 0.0}, ValueError, "scale of 1 ... positive and finite"),
        ({"scale": [None, [0.1, 0.2]]}, ValueError, "scale of 3 ... one number or (20,)"),
        ({"scale": 0.01}, ValueError, "the scale given makes"),
    ],
)
def test_wrong_options(options, error, message):
    steps = {} if "input" in options and "input_scale" in options else {"steps": STEPS}
    with refuses(error, message):
        ss.from_snntorch(model(snn.Leaky, beta=0.5), (INPUTS,), **{**steps, **options})


@pytest.mark.parametrize(
    ("module", "shape", "error", "message"),
    [
        ("net.pt", (24,), TypeError, "module ... torch.nn.Module ... 'net.pt'"),
        (None, 24, TypeError, "sample_shape ... shape of one sample"),
        (None, (0,), ValueError, "sample_shape[0] ... 1"),
    ],
)
def test_wrong_arguments(module, shape, error, message):
    with refuses(error, message):
        ss.from_snntorch(model(snn.Leaky, beta=0.5) if module is None else module, shape)


@pytest.mark.parametrize("name", ["scales", "layer_bits", "emits"])
def test_options_that_there_are_not(name):
    module = model(snn.Leaky, beta=0.5)
    for importer, arguments in ((ss.from_nir, (None,)), (ss.from_snntorch, (module, (24,)))):
        with refuses(TypeError, f"there is no option '{name}'; the options are array, weight_bits"):
            importer(*arguments, **{name: 1})
