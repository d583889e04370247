"""Nothing phones home: what libraries would count and send is off before any of them is imported.

``import foleycli`` does it, so that the command, a script, the processes of a batch and Ray's
workers all begin with it. Who switched one on himself, by its own variable, keeps it.
"""

import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress

OFF = {
    # onnxruntime from 1.29 on: a device id and a database of events in the home folder, and a host
    # that is asked after half a minute. Read once, when the library is loaded; "1" or "true".
    "ORT_DISABLE_TELEMETRY": "1",
    # huggingface_hub, which diffusers and transformers ask too: a ping for every model that is
    # loaded, and which libraries and which agent runs in the headers of each request.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_XET_TELEMETRY_ENABLED": "0",  # the hub's client for large files
    "RAY_USAGE_STATS_ENABLED": "0",  # a report when a cluster starts, and one an hour
}


def switch_off(environment: MutableMapping[str, str] = os.environ) -> None:
    """Switch off what reports on its user, except what he set himself; "" is not set."""
    for name, value in OFF.items():
        asked = environment.get(name)
        if not asked:
            environment[name] = value
            _too_late(name)


def _too_late(name: str) -> None:
    """Stop onnxruntime where a script imported it before foleycli: it has read its variable."""
    onnxruntime = sys.modules.get("onnxruntime")
    if name == "ORT_DISABLE_TELEMETRY" and onnxruntime is not None:
        with suppress(AttributeError):  # half imported, or too old to have any
            onnxruntime.disable_telemetry_events()
