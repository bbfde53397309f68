# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The classes that T5X looks for when it is handed a data set."""


class DatasetProviderBase:
  """No data set is one of these."""


class Task(DatasetProviderBase):
  """No data set is one of these."""


class Mixture(DatasetProviderBase):
  """No data set is one of these."""


class AirIODatasetIterator:
  """No iterator is one of these."""
