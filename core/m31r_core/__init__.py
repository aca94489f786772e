"""What every other component may use."""

import os

# The official builds of ONNX Runtime from 1.29 on send events about sessions and models from their
# import on, and keep an identifier of the machine in the home folder. They look for this before.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
