"""Whether a text is a schedule in the form of cron, with the words that the usual parser finds.

Five fields (minute, hour, day of the month, month, day of the week), or a descriptor such as @daily or @every 1h30m.

Source: Kubernetes "CronJob"; the standard parser of robfig/cron.
"""

from __future__ import annotations

import re

from machinery import integers

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: index + 1 for index, name in enumerate(_MONTHS)}),
    (0, 6, {name: index for index, name in enumerate(_DAYS)}),
)
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_DURATION = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*"
)


def schedule_errors(schedule: str) -> tuple[str, ...]:
    """Why `schedule` is none; nothing if it is one."""
    text = schedule.strip()
    if text.startswith(("TZ=", "CRON_TZ=")):
        _, _, text = text.partition(" ")
        text = text.strip()
    if text.startswith("@"):
        return _descriptor_errors(text)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return (f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]",)
    for field, (low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            wrong = _part_error(part, low, high, words)
            if wrong:
                return (wrong,)
    return ()


def _descriptor_errors(text: str) -> tuple[str, ...]:
    if text in _DESCRIPTORS:
        return ()
    if text.startswith("@every "):
        duration = text.removeprefix("@every ")
        return () if _DURATION.fullmatch(duration) else (f"failed to parse duration {text}",)
    return (f"unrecognized descriptor: {text}",)


def _part_error(part: str, low: int, high: int, words: dict[str, int]) -> str:
    """What is wrong with `*`, `*/n`, `a`, `a-b`, `a-b/n` or `a/n`; "" for nothing."""
    pieces = part.split("/")
    ends = pieces[0].split("-")
    if len(ends) > 2:
        return f"too many hyphens: {part}"
    if len(pieces) > 2:
        return f"too many slashes: {part}"
    first, last = low, high
    if ends[0] not in ("*", "?"):
        numbers = []
        for end in ends:
            number = words.get(end.lower(), _number(end))
            if number is None:
                return f"failed to parse int from {end}: invalid syntax"
            numbers.append(number)
        first = numbers[0]
        last = numbers[1] if len(numbers) > 1 else (high if len(pieces) > 1 else first)
    if len(pieces) > 1:
        step = _number(pieces[1])
        if step is None:
            return f"failed to parse int from {pieces[1]}: invalid syntax"
        if step == 0:
            return f"step of range should be a positive number: {part}"
    if first < low:
        return f"beginning of range ({first}) below minimum ({low}): {part}"
    if last > high:
        return f"end of range ({last}) above maximum ({high}): {part}"
    if first > last:
        return f"beginning of range ({first}) beyond end of range ({last}): {part}"
    return ""


def _number(text: str) -> int | None:
    return integers.parse(text) if text[:1].isdigit() else None
