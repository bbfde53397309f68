# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What continued pre-training has taught a generator, in figures and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.data import sentence_arrays
from plum_jax.data.task_description import describe
from plum_jax.item_embeddings import row_file
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.reports import cpt_page
from plum_jax.stages import cpt_measures
from plum_jax.stages import train
from plum_jax.stages.generator import load_index
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary

# Of a task: items or text held out of it, and what it was trained on.
HELD_OUT, TRAINED = 'validation', 'train'


def run(
    run_dir: str,
    behaviour_task: str,
    sentence_tasks: Sequence[str],
    text_task: str,
    task_feature_lengths: Mapping[str, int],
    beam_size: int,
    max_examples: int,
    num_shots: int,
    num_completions: int,
    seed: int,
) -> None:
  """Writes `cpt_report/`: `metrics.json`, `completions.json`, `report.html`.

  Args:
    run_dir: the run directory, with a decoder-only generator.
    behaviour_task: whose validation targets the perplexity of SIDs is of.
    sentence_tasks: tasks of `tasks.cpt.metadata`.
    text_task: a task of `tasks.cpt.text`; empty for none.
    task_feature_lengths: tokens by task feature.
    beam_size: beams of the search for items; the best ten count.
    max_examples: the most sequences of a task.
    num_shots: sentences before each one that is to be completed.
    num_completions: completions of each sentence task that are shown.
    seed: of which sequences and phrasings.

  Raises:
    InputError: an artifact is missing or does not belong; a task holds nothing
      out; the generator is an encoder-decoder.
  """
  folders = RunDirectory(run_dir)
  manifest.check_input(folders.training, 'vocabulary', folders.vocabulary)

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    model, params, _ = train.load(run_dir)
    if not isinstance(model, DecoderOnlyModel):
      raise InputError(
          'The generator is an encoder-decoder.',
          where=folders.training,
          expected='a decoder-only model, which continues texts',
          fix='Train one.',
      )
    vocabulary = SemanticIdVocabulary(folders.vocabulary)
    measured = cpt_measures.Measures(
        model, params, vocabulary, load_index(folders), beam_size
    )

    def read(task: str, split: str) -> sentence_arrays.Sequences:
      return sentence_arrays.read(
          task,
          split,
          task_feature_lengths,
          max_examples=max_examples,
          seed=seed,
      )

    figures = measured.sid_perplexity(read(behaviour_task, HELD_OUT))
    if text_task:
      figures |= measured.text_perplexity(read(text_task, HELD_OUT))
    embeddings = _embeddings(folders)
    completions = []
    for task in sentence_tasks:
      trained = read(task, TRAINED)
      for split in (HELD_OUT, TRAINED):
        sequences = trained if split == TRAINED else read(task, split)
        figures |= measured.answers(
            sequences, cpt_measures.metric_name(task, split), embeddings
        )
      shown = read(task, HELD_OUT)
      completions += measured.completions(
          task, trained, shown, num_shots, num_completions
      )
    cpt_page.save(
        directory,
        figures,
        completions,
        name=pathlib.Path(run_dir).resolve().name,
    )

  tasks = [behaviour_task, *sentence_tasks, *([text_task] if text_task else [])]
  stage.run(
      'cpt_report',
      folders.cpt_report,
      make,
      inputs=_inputs(folders),
      parameters={
          'tasks': [describe(task) for task in tasks],
          'task_feature_lengths': dict(task_feature_lengths),
          'beam_size': beam_size,
          'max_examples': max_examples,
          'num_shots': num_shots,
          'num_completions': num_completions,
      },
      seed=seed,
  )
  print(f'\n{cpt_page.text_table(folders.cpt_report)}')
  print(f'Report: {folders.cpt_report / cpt_page.REPORT_FILE}')


def _inputs(folders: RunDirectory) -> dict[str, pathlib.Path]:
  inputs = {
      'training': folders.training,
      'tasks': folders.tasks,
      'vocabulary': folders.vocabulary,
      'semantic_ids': folders.semantic_ids,
      'catalog': folders.catalog,
  }
  if folders.item_embeddings.is_dir():
    inputs['item_embeddings'] = folders.item_embeddings
  return inputs


def _embeddings(folders: RunDirectory) -> Any:
  """Returns the first modality's embeddings [num_items, dim], if there are."""
  if not folders.item_embeddings.is_dir():
    return None
  paths = sorted(
      path
      for path in folders.item_embeddings.glob('*.npy')
      if not path.name.endswith('.present.npy')
  )
  return row_file.RowFile(paths[0]) if paths else None
