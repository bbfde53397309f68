# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Where each stage's artifact lies in a run directory."""

from __future__ import annotations

import dataclasses
import os
import pathlib


@dataclasses.dataclass(frozen=True)
class RunDirectory:
  """A run directory.

  Attributes:
    path: the folder.

  >>> RunDirectory('runs/a').semantic_ids.as_posix()
  'runs/a/semantic_ids'
  """

  path: str | os.PathLike[str]

  def _folder(self, name: str) -> pathlib.Path:
    return pathlib.Path(self.path) / name

  @property
  def catalog(self) -> pathlib.Path:
    """Items and interactions."""
    return self._folder('catalog')

  @property
  def item_embeddings(self) -> pathlib.Path:
    """One array per modality."""
    return self._folder('item_embeddings')

  @property
  def semantic_ids(self) -> pathlib.Path:
    """SID table, tokenizer, quality figures."""
    return self._folder('semantic_ids')

  @property
  def vocabulary(self) -> pathlib.Path:
    """The SentencePiece file with SID tokens."""
    return self._folder('vocabulary')

  @property
  def tasks(self) -> pathlib.Path:
    """User histories in TFDS's format."""
    return self._folder('tasks')

  @property
  def examples(self) -> pathlib.Path:
    """Examples of tasks, for people to read."""
    return self._folder('examples')

  @property
  def training(self) -> pathlib.Path:
    """The generator's parameters and metrics."""
    return self._folder('training')

  @property
  def general_text(self) -> pathlib.Path:
    """Text for a language model."""
    return self._folder('general_text')

  @property
  def hugging_face(self) -> pathlib.Path:
    """The generator as `transformers` loads it."""
    return self._folder('hugging_face')

  @property
  def sasrec(self) -> pathlib.Path:
    """SASRec's parameters and metrics."""
    return self._folder('sasrec')

  @property
  def lem(self) -> pathlib.Path:
    """The large embedding model's parameters and metrics."""
    return self._folder('lem')

  @property
  def bpr_mf(self) -> pathlib.Path:
    """BPR-MF's parameters and metrics."""
    return self._folder('bpr_mf')

  @property
  def biased_mf(self) -> pathlib.Path:
    """Biased matrix factorization's parameters and metrics."""
    return self._folder('biased_mf')

  @property
  def task_evaluation(self) -> pathlib.Path:
    """Metrics of retrieval, ranking and rating of all models."""
    return self._folder('task_evaluation')

  @property
  def evaluation(self) -> pathlib.Path:
    """Metrics and recommendations of all recommenders."""
    return self._folder('evaluation')

  @property
  def evaluation_loss(self) -> pathlib.Path:
    """The generator's loss on held-out targets."""
    return self._folder('evaluation_loss')

  @property
  def scaling_study(self) -> pathlib.Path:
    """Fits over the runs of a scaling study, and their report."""
    return self._folder('scaling_study')

  @property
  def generated_world(self) -> pathlib.Path:
    """Items, clicks, impressions and content of a generated world."""
    return self._folder('generated_world')

  @property
  def impressions(self) -> pathlib.Path:
    """What was shown to whom, when, and what came of it."""
    return self._folder('impressions')

  @property
  def ranking(self) -> pathlib.Path:
    """A ranker's parameters and figures."""
    return self._folder('ranking')

  @property
  def ranking_study(self) -> pathlib.Path:
    """Rankers with all item features, a folder each, and their comparison."""
    return self._folder('ranking_study')

  @property
  def cpt_report(self) -> pathlib.Path:
    """What continued pre-training has taught the generator."""
    return self._folder('cpt_report')

  @property
  def semantic_id_report(self) -> pathlib.Path:
    """What the quality of the Semantic IDs is, for programs and for people."""
    return self._folder('semantic_id_report')

  @property
  def bundle(self) -> pathlib.Path:
    """All that serving recommendations needs."""
    return self._folder('bundle')

  @property
  def report(self) -> pathlib.Path:
    """The page for people."""
    return self._folder('report.html')
