"""The import of torchvision beside a torch that it was not built for."""

from types import ModuleType


def import_torchvision() -> ModuleType:
    """torchvision, imported (over a second: call it where it is used).

    PyPI's Linux wheels are built for CUDA. Beside a CPU-only torch their compiled operators do not load, and the import
    fails because the fake kernels of `nms` and `qnms` find nothing to attach to. Declaring the two lets the rest work:
    utils, transforms and models.
    """
    import torch

    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        globals()["_library"] = library  # the operators go when the library does
        import torchvision
    return torchvision
