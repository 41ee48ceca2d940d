"""The model that ships in the package."""

from pathlib import Path

NAME = "chitchat"


def path() -> Path | None:
    """Return the weights file of the packaged model, or None if this installation has none."""
    file = Path(__file__).parent.parent / "data" / f"{NAME}.safetensors"
    return file if file.is_file() else None
