# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A scaling study: sizes times FLOP budgets, fits, and a prediction."""

from __future__ import annotations

from collections.abc import Sequence
import logging
import sys

from plum_jax.launch import application
from plum_jax.launch import chatter
from plum_jax.launch import scaling_plan
from plum_jax.launch import study
from plum_jax.launch.config import loading
from plum_jax.launch.scaling_plan import ScalingPlan
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='scaling_study',
    function='plum_jax.stages.scaling_study.run',
    description='Fits the runs of a scaling study: power laws and best sizes.',
    reads=('size_<n>-flops_<budget>/seed_<n>/',),
    writes=('scaling_study/',),
)
_LOGGER = logging.getLogger('plum_jax')


def main(argv: Sequence[str] | None = None) -> None:
  """Runs a study as a program; see `application.exit_status` for how it ends.

  Args:
    argv: the arguments; the process's own by default.
  """
  arguments = sys.argv[1:] if argv is None else argv

  def work() -> None:
    chatter.set_up_logging()
    plan = scaling_plan.parse(arguments, STAGE)
    configs = _load(plan)
    [fits] = application.load_all([STAGE], plan.arguments)
    with application.claim(plan.study.directory):
      for _ in study.finish_runs(plan.study, configs):
        pass
      if plan.predicts:
        _run_prediction(plan)
      application.call(STAGE, fits, plan.study.directory)

  sys.exit(application.exit_status(work))


def _load(plan: ScalingPlan) -> list[Sequence[loading.Config]]:
  """Configures all runs, before the first starts."""
  return [
      application.load_all(plan.study.stages, run.arguments)
      for run in plan.study.runs
  ]


def _run_prediction(plan: ScalingPlan) -> None:
  """Predicts the next budget, writes that down, and runs it."""
  # It reads parameters, and so imports JAX: not needed to refuse a flag.
  from plum_jax.stages import scaling_prediction

  made = scaling_prediction.make(
      str(plan.study.directory),
      plan.sizes,
      plan.budgets,
      plan.study.seeds,
      plan.next_budget,
      plan.fit,
  )
  _LOGGER.info(
      'scaling_study: predicted for %.3g FLOPs: size %d', made.budget, made.size
  )
  follow_up = scaling_plan.with_runs(plan, [made.size], [made.budget])
  for _ in study.finish_runs(follow_up.study, _load(follow_up)):
    pass


if __name__ == '__main__':
  main()
