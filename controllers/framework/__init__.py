"""The public framework for controllers and operators: see docs/operators.md.

The built-in controllers use nothing else, and an outsider's reconciler runs exactly as they do.
"""

from controllers.framework.context import Context
from controllers.framework.process import run_operator
from controllers.framework.reconciler import Index, Reconciler, Watch, reconciler
from controllers.framework.runner import Runner
from machinery.gvk import GVR, Key

__all__ = ["GVR", "Context", "Index", "Key", "Reconciler", "Runner", "Watch", "reconciler", "run_operator"]
