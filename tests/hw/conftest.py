"""Components that are made only to be refused are not elaborated: no warning of that."""


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore::amaranth.hdl.UnusedElaboratable")
