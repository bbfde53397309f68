# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with Semantic IDs, and which switch helps.

All thresholds are our choice: no paper states one. Those of usage, and of
cosines over random pairs, are what the project asks of its own tokenizers.
"""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import itertools

from plum_jax.semantic_ids.quality.comparison import Comparison
from plum_jax.semantic_ids.quality.comparison import TableQuality

_LARGE_CODEBOOK = 256
_USAGE, _USAGE_LARGE = 0.95, 0.80
_PERPLEXITY_OF_USED = 0.5
_UNIQUENESS = 0.95
_UNIQUENESS_TOLERANCE = 0.01
_LARGEST_GROUP = 16
_MOVED = 0.05
_COSINE_OVER_RANDOM = 0.1
_ENOUGH_PAIRS = 30
_RECONSTRUCTION_GAIN = 0.01
_PURITY_OVER_CHANCE = 0.1
_LIFT = 2.0
_ENOUGH_EXPECTED = 10


@dataclasses.dataclass(frozen=True)
class QualityWarning:
  """One thing that is wrong.

  Attributes:
    kind: its name, such as `usage`.
    finding: what is wrong, with the numbers.
    advice: what may help.
    switches: the macros that the advice speaks of.
  """

  kind: str
  finding: str
  advice: str
  switches: tuple[str, ...]


def of_catalog(comparison: Comparison) -> list[QualityWarning]:
  """Finds what no tokenizer can mend.

  Args:
    comparison: the figures.

  Returns:
    The warnings that concern all tables.
  """
  equal = comparison.equal_embeddings
  if equal is None:
    return []
  possible = equal.num_distinct / comparison.num_items
  if possible >= _UNIQUENESS:
    return []
  texts = comparison.equal_texts.num_items
  return [
      QualityWarning(
          'duplicates',
          f'{equal.num_items:,} of {comparison.num_items:,} items have the '
          'same embedding as another item, up to '
          f'{equal.largest:,} the same one ({texts:,} have the same text). No '
          'tokenizer can part them: a uniqueness above '
          f'{_percent(possible)} is out of reach.',
          'Embed more of what tells items apart: further text fields or '
          'another modality in MODALITIES and SID_MODALITIES. Or remove '
          'duplicates from the catalog.',
          ('MODALITIES', 'SID_MODALITIES'),
      )
  ]


def of_table(
    comparison: Comparison, table: TableQuality
) -> list[QualityWarning]:
  """Finds what is wrong with a table.

  Args:
    comparison: the figures of all.
    table: one of its tables.

  Returns:
    The warnings, what matters most first.
  """
  return [
      *_uniqueness(comparison, table),
      *_largest_group(table),
      *_moved(comparison, table),
      *_usage(comparison, table),
      *_perplexity(table),
      *_cosines(table),
      *_reconstruction(table),
      *_purity(table),
      *_lift(comparison, table),
  ]


def _percent(share: float) -> str:
  return f'{share:.1%}'


def _uniqueness(
    comparison: Comparison, table: TableQuality
) -> Iterator[QualityWarning]:
  """Low although the embeddings would allow more."""
  possible, bound = 1.0, ''
  if comparison.equal_embeddings is not None:
    possible = comparison.equal_embeddings.num_distinct / comparison.num_items
    bound = (
        ' Items with equal embeddings, whom no tokenizer can part, would '
        f'still allow {_percent(possible)}.'
    )
  found = table.collisions
  if found.uniqueness < min(_UNIQUENESS, possible - _UNIQUENESS_TOLERANCE):
    yield QualityWarning(
        'uniqueness',
        f'Only {_percent(found.uniqueness)} of the code tuples are distinct: '
        f'{found.num_items:,} items share {found.num_groups:,} of them.{bound}',
        'More levels or more codes in CODEBOOK_SIZES; longer training '
        '(SID_EPOCHS). SID_COLLISIONS says how the rest is told apart.',
        ('CODEBOOK_SIZES', 'SID_EPOCHS', 'SID_COLLISIONS'),
    )


def _largest_group(table: TableQuality) -> Iterator[QualityWarning]:
  if table.collisions.largest_group <= _LARGEST_GROUP:
    return
  worst = table.worst_collisions[0]
  distinct = ''
  if worst.distinct_embeddings is not None:
    distinct = (
        f' They have {worst.distinct_embeddings:,} different embeddings and '
        f'{worst.distinct_texts:,} different texts.'
    )
  yield QualityWarning(
      'largest_collision_group',
      f'{table.collisions.largest_group:,} items have the same codes '
      f'{worst.codes}.{distinct}',
      'If their embeddings differ: more codes or levels in CODEBOOK_SIZES. If '
      'not: embed more of what tells them apart (SID_MODALITIES). '
      'SID_COLLISIONS says how they are told apart meanwhile.',
      ('CODEBOOK_SIZES', 'SID_MODALITIES', 'SID_COLLISIONS'),
  )


def _moved(
    comparison: Comparison, table: TableQuality
) -> Iterator[QualityWarning]:
  share = table.num_moved / comparison.num_items
  if share > _MOVED:
    yield QualityWarning(
        'moved_items',
        f'{table.num_moved:,} items ({_percent(share)}) have another code than '
        'the tokenizer gave them, because theirs was taken.',
        'More levels or codes in CODEBOOK_SIZES, or a disambiguation code '
        'instead (SID_COLLISIONS).',
        ('CODEBOOK_SIZES', 'SID_COLLISIONS'),
    )


def _usage(
    comparison: Comparison, table: TableQuality
) -> Iterator[QualityWarning]:
  for level, entry in enumerate(table.levels, start=1):
    use = entry.use
    large = use.codebook_size > _LARGE_CODEBOOK
    if use.usage >= (_USAGE_LARGE if large else _USAGE):
      continue
    few = ''
    if comparison.num_items < 2 * use.codebook_size:
      few = f' There are only {comparison.num_items:,} items.'
    yield QualityWarning(
        'usage',
        f'Level {level} uses {_percent(use.usage)} of its '
        f'{use.codebook_size:,} codes; {use.dead_codes:,} are dead.{few}',
        'Move dead codes sooner (a smaller SID_DEAD_CODE_STEPS, but not 0), or '
        'take fewer codes at this level (CODEBOOK_SIZES).',
        ('SID_DEAD_CODE_STEPS', 'CODEBOOK_SIZES'),
    )


def _perplexity(table: TableQuality) -> Iterator[QualityWarning]:
  for level, entry in enumerate(table.levels, start=1):
    use = entry.use
    if use.perplexity < _PERPLEXITY_OF_USED * use.used:
      yield QualityWarning(
          'perplexity',
          f'Level {level} uses {use.used:,} codes as unevenly as if there were '
          f'{use.perplexity:,.1f}: a few hold most items.',
          'Train longer or with larger steps (SID_EPOCHS, SID_LEARNING_RATE), '
          'with larger batches (SID_BATCH_SIZE), and move dead codes sooner '
          '(SID_DEAD_CODE_STEPS).',
          (
              'SID_EPOCHS',
              'SID_LEARNING_RATE',
              'SID_BATCH_SIZE',
              'SID_DEAD_CODE_STEPS',
          ),
      )


def _cosines(table: TableQuality) -> Iterator[QualityWarning]:
  """Codes that say nothing of a modality, or a level that does not."""
  for name in table.prefixes[0].cosines:
    known = [
        (prefix.length, cosine)
        for prefix in table.prefixes
        if (cosine := prefix.cosines[name]) is not None
        and prefix.subtrees.pairs >= _ENOUGH_PAIRS
    ]
    if len(known) < 2:
      continue
    random, best = known[0][1], max(cosine for _, cosine in known[1:])
    if best < random + _COSINE_OVER_RANDOM:
      yield QualityWarning(
          'flat_cosine',
          f'In the modality {name}, items that share codes are hardly more '
          f'alike ({best:.2f}) than any two items ({random:.2f}).',
          'Check that the modality is in SID_MODALITIES and differs between '
          'items; lower SID_CONTRASTIVE_WEIGHT if co-occurrence outweighs it.',
          ('SID_MODALITIES', 'SID_CONTRASTIVE_WEIGHT'),
      )
      continue
    for (_, before), (length, cosine) in itertools.pairwise(known):
      if cosine <= before:
        yield QualityWarning(
            'cosine_not_rising',
            f'In the modality {name}, items that share {length} codes are no '
            f'more alike ({cosine:.3f}) than those that share one fewer '
            f'({before:.3f}).',
            f'Level {length} does not refine the one before: fewer levels '
            '(CODEBOOK_SIZES), longer training (SID_EPOCHS), or progressive '
            'masking, which makes each prefix stand for itself '
            '(SID_PROGRESSIVE_MASKING).',
            ('CODEBOOK_SIZES', 'SID_EPOCHS', 'SID_PROGRESSIVE_MASKING'),
        )


def _reconstruction(table: TableQuality) -> Iterator[QualityWarning]:
  errors = [entry.reconstruction_error for entry in table.levels]
  for level, (before, error) in enumerate(itertools.pairwise(errors), start=2):
    if before is None or error is None:
      continue
    if error > (1 - _RECONSTRUCTION_GAIN) * before:
      yield QualityWarning(
          'reconstruction',
          f'Level {level} leaves the reconstruction error at {error:.4f}, from '
          f'{before:.4f} without it.',
          'Leave the level out (CODEBOOK_SIZES), or train longer (SID_EPOCHS, '
          'SID_LEARNING_RATE).',
          ('CODEBOOK_SIZES', 'SID_EPOCHS', 'SID_LEARNING_RATE'),
      )


def _purity(table: TableQuality) -> Iterator[QualityWarning]:
  found = table.prefixes[1].purity.get('general')
  if found is None or found.by_chance >= 1:
    return
  over_chance = (found.share - found.by_chance) / (1 - found.by_chance)
  if over_chance < _PURITY_OVER_CHANCE:
    yield QualityWarning(
        'purity',
        'The first code says little of the category: '
        f'{_percent(found.share)} of the items are in the most frequent one of '
        f'their code, {_percent(found.by_chance)} would be by chance.',
        'Check that the embeddings tell categories apart; embed the categories '
        'as a modality of their own (MODALITIES, SID_MODALITIES).',
        ('MODALITIES', 'SID_MODALITIES'),
    )


def _lift(
    comparison: Comparison, table: TableQuality
) -> Iterator[QualityWarning]:
  found = table.prefixes[1].co_occurrence
  if found is None or found.lift is None or found.lift >= _LIFT:
    return
  if found.by_chance * comparison.num_neighbour_pairs < _ENOUGH_EXPECTED:
    return
  yield QualityWarning(
      'co_occurrence',
      'Neighbours in histories share their first code only '
      f'{found.lift:.1f} times as often as random pairs '
      f'({_percent(found.share)} against {_percent(found.by_chance)}).',
      'Pull items that co-occur together (SID_CONTRASTIVE_WEIGHT).',
      ('SID_CONTRASTIVE_WEIGHT',),
  )
