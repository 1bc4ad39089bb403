"""Where to compute: the name of a device, checked once, so that a missing GPU is told in words."""

import torch

from parmesan_engine.errors import LimitError, UnknownNameError


def device_of(name: str | torch.device) -> torch.device:
    """Return the device of a name, "cpu", "cuda" or "cuda:1". Raises UnknownNameError, and LimitError where there is no such GPU.

    >>> device_of("cpu").type
    'cpu'
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UnknownNameError("cpu or cuda as the device", repr(name), "choose one of these") from error
    if device.type not in ("cpu", "cuda"):
        raise UnknownNameError("cpu or cuda as the device", repr(name), "choose one of these")
    count = torch.cuda.device_count() if device.type == "cuda" and torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise LimitError(f"a CUDA device for {name}, and a torch built for it", f"torch {torch.__version__}, which sees {count or 'none'}",
                         "compute on the CPU: leave out the device")
    return device
