"""What a client asks of a pod's log, judged before anybody looks for the pod: PodLogOptions in a query.

    judge_log_options(pod, query) raises BadRequest for what is no number or time, Invalid for what makes no sense

Source: apimachinery's conversion of queries, ValidatePodLogOptions.
"""

from __future__ import annotations

from apiserver.engine.query import Query
from machinery import field_errors, integers
from machinery.clock import parse_rfc3339
from machinery.errors import BadRequest, Cause, invalid

# What a log may be asked for, handed to the node as it came.
LOG_OPTIONS = (
    "follow",
    "tailLines",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "previous",
    "limitBytes",
    "stream",
)
_NUMBERS = ("sinceSeconds", "tailLines", "limitBytes")
_LAYOUT = "2006-01-02T15:04:05Z07:00"
_POSITIVE = "must be greater than 0"


def judge_log_options(pod: str, query: Query) -> None:
    numbers = {field: _number(query[field]) for field in _NUMBERS if field in query}
    since = query.get("sinceTime", "")
    if since and since != "null":
        _check_time(since)
    causes: list[Cause] = []
    if numbers.get("tailLines", 0) < 0:
        wrong = field_errors.invalid_value(
            "tailLines", numbers["tailLines"], "must be greater than or equal to 0"
        )
        causes.append(wrong)
    if numbers.get("limitBytes", 1) < 1:
        causes.append(field_errors.invalid_value("limitBytes", numbers["limitBytes"], _POSITIVE))
    if "sinceSeconds" in numbers and since:
        message = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(field_errors.forbidden("[]", message))
    elif numbers.get("sinceSeconds", 1) < 1:
        causes.append(field_errors.invalid_value("sinceSeconds", numbers["sinceSeconds"], _POSITIVE))
    if causes:
        raise invalid("", "PodLogOptions", pod, causes)


def _number(text: str) -> int:
    number = integers.parse(text)
    if number is None:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return number


def _check_time(text: str) -> None:
    try:
        parse_rfc3339(text)
    except ValueError:
        raise BadRequest(f'parsing time "{text}" as "{_LAYOUT}": cannot parse "{text}" as a time') from None
