"""How fast text is shown, wherever it is shown."""

import math

from grucli.errors import UsageError


def validate_pace(pace: float) -> float:
    """Give `pace` back if text can be shown at it, in characters a second; 0 is no limit.

    Raises:
        UsageError: it is not a finite number from 0 up.
    """
    if not math.isfinite(pace) or pace < 0:
        raise UsageError(f"--pace is {pace:g}", "--pace takes characters a second, such as 150, or 0 for no limit")
    return pace
