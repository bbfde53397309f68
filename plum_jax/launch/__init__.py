"""One thin main per stage, and the only place that imports gin."""

import os

# Read by TensorFlow when it is first imported, so before any stage imports it.
# At 2 it still complains of a missing GPU; what fails raises an error anyway.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
