"""The one place that opens ONNX networks: on the CPU, one thread each, nothing that spins."""

from pathlib import Path
from typing import TYPE_CHECKING

from foleycli.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(model: Path | bytes, beside: Path | None = None) -> "InferenceSession":
    """A network to run: one thread, since a look takes milliseconds and clips run side by side.

    Args:
        model: an ONNX file, or its content.
        beside: the folder of weights that the content keeps in a file of their own.

    Raises:
        ModelError: it is not there, or cannot be read.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # weights of 8 bits become floats once, when it is opened, and not at every run
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = 3  # errors; it warns of constants that nothing uses
    if beside is not None:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(beside)
        )
    try:
        return onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:  # onnxruntime's errors have no common kind but this one
        name = "A network" if isinstance(model, bytes) else Path(model).name
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"{name} cannot be read: {reason}.", "Reinstall foleycli.") from error
