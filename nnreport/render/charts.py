"""The closed set of charts: line, bars, histogram, strips, heat map, sparkline.

Each is a pure function that gives a :class:`Chart`: the SVG (see :mod:`~nnreport.render.svg`) and the same numbers as a table,
for those who do not see the picture; the page's script reads the values under the pointer from that table.
"""

from nnreport.render.charts_bars import Bar, bars
from nnreport.render.charts_base import Chart
from nnreport.render.charts_heat import heatmap
from nnreport.render.charts_line import Level, Line, line
from nnreport.render.charts_weights import histogram, mini_histogram, sparkline, strips

__all__ = ["Bar", "Chart", "Level", "Line", "bars", "heatmap", "histogram", "line", "mini_histogram", "sparkline", "strips"]
