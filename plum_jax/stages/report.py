# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Everything that a run recorded, as one page for people."""

from __future__ import annotations

from plum_jax.reports import html_report
from plum_jax.reports import model_figures
from plum_jax.reports import results_table
from plum_jax.reports import run_artifacts
from plum_jax.reports.html_report import ReportConfig
from plum_jax.stages.run_directory import RunDirectory


def run(run_dir: str, config: ReportConfig) -> None:
  """Writes `report.html` and prints the results table.

  Args:
    run_dir: the run directory; needs `catalog/` and `evaluation/`, and shows
      what other stages have left.
    config: what to show.

  Raises:
    InputError: a stage is missing, or cannot be read.
  """
  folders = RunDirectory(run_dir)
  html_report.build(run_dir, folders.report, config=config)
  artifacts = run_artifacts.load(run_dir)
  table = results_table.text_table(artifacts.results, artifacts.manifests)
  models = model_figures.text_table(artifacts.results)
  print(f'\n{table}\n\n{models}\n\nReport: {folders.report}')
