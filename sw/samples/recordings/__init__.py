"""Files of event recordings: told by their content, read into arrays with t, x, y and p.

May import ``support`` and the readers of numpy's files beside it. The libraries of the extra
``events`` are imported where they are used."""
