"""One thin main per stage, and the only place that imports gin."""

import os

# Read by TensorFlow when it is first imported, so before any stage imports it.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
