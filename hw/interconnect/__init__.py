"""Between the cores: the spike bus, and the reports of several cores merged."""
