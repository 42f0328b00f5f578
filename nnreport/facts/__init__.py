"""What is known of a model: typed records of plain data, and nothing that acts.

Everything an inspector finds out becomes one of these records, travels as JSON, is judged by the checks and drawn by the
renderers. The records hold no tensors, import nothing of ours and have no behaviour beyond small derived properties.

Conventions, true everywhere:

* a *module path* is the dotted name in ``model.named_modules()``; the root is ``""``;
* shapes are lists of ints, dtypes are written without ``torch.`` (``float32``), sizes are bytes, times are seconds;
* 1 MAC is 2 FLOPs;
* ``None`` means "not measured", never "zero";
* non-finite floats travel as the strings ``"nan" "inf" "-inf"`` in series where they may occur (see :data:`Number`).
"""

from __future__ import annotations

from nnreport.facts.base import Failure, Frame, Location, Number, Range, Record, Scalar, TensorInfo, number
from nnreport.facts.breaks import Break, BreakTensor
from nnreport.facts.experiments import BatchTrial, Experiments, InputInfluence, Mixing, RateTrial, SilentParameter
from nnreport.facts.graph import Call, Graph, Node, Reach, Witness
from nnreport.facts.pictures import Entry, Filters, Maps, Picture, Pictures, Raster
from nnreport.facts.probe import (
    ActivationSeries,
    DataInfo,
    LossInfo,
    NonFinite,
    OptimizerInfo,
    OutputInfo,
    ParameterSeries,
    Probe,
    TargetInfo,
)
from nnreport.facts.profile import Machine, ModuleCost, OperatorCost, Profile
from nnreport.facts.run import EvaluationRun, LabelRun, LoaderRun, ModelRun, OptimizerRun, RankRun, Run, SchedulerRun, Series
from nnreport.facts.source import SourceClass, SourceFile
from nnreport.facts.target import Environment, InputSpec, Target
from nnreport.facts.tree import Module, Parameter, StrayTensor, Tree
from nnreport.facts.weights import Histogram, Weights, WeightStats
from nnreport.facts.whole import Facts, Stage

__all__ = [
    "ActivationSeries",
    "BatchTrial",
    "Break",
    "BreakTensor",
    "Call",
    "DataInfo",
    "Entry",
    "Environment",
    "EvaluationRun",
    "Experiments",
    "Facts",
    "Failure",
    "Filters",
    "Frame",
    "Graph",
    "Histogram",
    "InputInfluence",
    "InputSpec",
    "LabelRun",
    "LoaderRun",
    "Location",
    "LossInfo",
    "Machine",
    "Maps",
    "Mixing",
    "ModelRun",
    "Module",
    "ModuleCost",
    "Node",
    "NonFinite",
    "Number",
    "OperatorCost",
    "OptimizerInfo",
    "OptimizerRun",
    "OutputInfo",
    "Parameter",
    "ParameterSeries",
    "Picture",
    "Pictures",
    "Probe",
    "Profile",
    "Range",
    "RankRun",
    "Raster",
    "RateTrial",
    "Reach",
    "Record",
    "Run",
    "Scalar",
    "SchedulerRun",
    "Series",
    "SilentParameter",
    "SourceClass",
    "SourceFile",
    "Stage",
    "StrayTensor",
    "Target",
    "TargetInfo",
    "TensorInfo",
    "Tree",
    "WeightStats",
    "Weights",
    "Witness",
    "number",
]
