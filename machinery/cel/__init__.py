"""CEL, the expression language of admission policies, webhook conditions and custom resources' rules. See README.md."""

from machinery.cel.environment import CelError, Environment, Program
from machinery.cel.function import Function

__all__ = ["CelError", "Environment", "Function", "Program"]
