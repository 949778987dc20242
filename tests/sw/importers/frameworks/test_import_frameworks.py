"""What is said of frameworks that are not installed, and how the command line tells them apart."""

import importlib

import pytest
import stablespike as ss
import torch
from refusals import refuses
from stablespike.importers.models import _framework

EXTRAS = {
    "sinabs": "sinabs", "rockpool": "rockpool", "norse": "norse", "snntorch": "import",
    "spikingjelly": "import",
}


@pytest.mark.parametrize(("name", "extra"), EXTRAS.items())
def test_a_framework_that_is_not_installed(monkeypatch, name, extra):
    module = importlib.import_module("stablespike.importers.framework")

    def missing(wanted):
        raise ModuleNotFoundError(f"No module named {wanted!r}")

    monkeypatch.setattr(module, "import_module", missing)
    with refuses(ss.ToolError, f"{name} is not installed: pip install 'stablespike[{extra}]'"):
        getattr(ss, f"from_{name}")(torch.nn.Identity(), (4,))


def of_framework(*names):
    """Return a module with layers whose classes belong to packages of these names."""
    kinds = [type("Neurons", (torch.nn.Module,), {"__module__": f"{name}.nn"}) for name in names]
    return torch.nn.Sequential(torch.nn.Linear(4, 4), *[kind() for kind in kinds])


@pytest.mark.parametrize("name", EXTRAS)
def test_frameworks_are_told_apart_by_their_neurons(name):
    assert _framework(of_framework(name)) == name
    with refuses(ss.NotExpressible, "Sequential (module): it has neurons of two frameworks"):
        _framework(of_framework(name, "norse" if name != "norse" else "sinabs"))
    with refuses(ss.NotExpressible, "no neurons known here ... snnTorch, SpikingJelly, sinabs, "
                 "rockpool, Norse"):
        _framework(of_framework())
