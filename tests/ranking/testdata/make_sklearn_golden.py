# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes sklearn_golden.json; needs scikit-learn, which tests do not.

python -m venv /tmp/sklearn && /tmp/sklearn/bin/pip install scikit-learn==1.7.2
/tmp/sklearn/bin/python tests/ranking/testdata/make_sklearn_golden.py
"""

import json
import pathlib

import numpy as np
from sklearn import metrics


def _case(seed: int, count: int, digits: int) -> dict[str, object]:
  """Draws labels and logits; few digits give ties."""
  rng = np.random.default_rng(seed)
  logits = np.round(rng.normal(size=count) * 2, digits)
  labels = (rng.random(count) < 1 / (1 + np.exp(1 - logits))).astype(int)
  probabilities = 1 / (1 + np.exp(-logits))
  return {
      'n': f'{count} impressions, {digits} digits',
      'labels': labels.tolist(),
      'logits': logits.tolist(),
      'auc': metrics.roc_auc_score(labels, logits),
      'log_loss': metrics.log_loss(labels, probabilities),
      'rmse': metrics.root_mean_squared_error(labels, logits),
  }


def main() -> None:
  """Writes the file beside this script."""
  cases = [_case(0, 200, 6), _case(1, 500, 1), _case(2, 50, 0)]
  path = pathlib.Path(__file__).parent / 'sklearn_golden.json'
  path.write_text(json.dumps(cases) + '\n', encoding='utf-8')


if __name__ == '__main__':
  main()
