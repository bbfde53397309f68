# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The SentencePiece model that the fields of a GGUF file describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from plum_jax.artifacts.errors import InputError

_PREFIX = 'tokenizer.ggml.'
# What llama.cpp calls SentencePiece's BPE.
_BPE = 'llama'
_SPACE = '▁'
# The class is made at import, where type checkers do not see it.
_proto: Any = sentencepiece_model_pb2


def sentencepiece_model(fields: Mapping[str, Any], where: object) -> bytes:
  """Builds a SentencePiece model.

  Pieces, scores and kinds are in the file. What is not is as in all of Gemma's:
  text is taken as it is (no normalization, no space before it, none removed),
  and what no piece covers is cut into bytes. Pieces that llama.cpp counts as
  control, such as `<unused0>`, are not recognised in text, which Gemma's own
  model does.

  Args:
    fields: keys and values of the file.
    where: the file, for errors.

  Returns:
    A serialized `ModelProto`.

  Raises:
    InputError: the file has another kind of tokenizer, or a field is missing.
  """
  kind = fields.get(f'{_PREFIX}model')
  if kind != _BPE:
    raise _unreadable(f'its kind is {kind!r}', where)
  model = _proto.ModelProto()
  try:
    columns = [
        fields[f'{_PREFIX}{name}']
        for name in ('tokens', 'scores', 'token_type')
    ]
    for piece, score, type_number in zip(*columns, strict=True):
      if type_number == model.SentencePiece.USER_DEFINED:
        # llama.cpp writes runs of spaces as what they stand for.
        piece = piece.replace(' ', _SPACE)
      model.pieces.add(piece=piece, score=score, type=type_number)
    ids = {
        'pad': fields[f'{_PREFIX}padding_token_id'],
        'eos': fields[f'{_PREFIX}eos_token_id'],
        'bos': fields[f'{_PREFIX}bos_token_id'],
        'unk': fields[f'{_PREFIX}unknown_token_id'],
    }
    # llama.cpp lists it as control; SentencePiece wants one of this kind.
    model.pieces[ids['unk']].type = model.SentencePiece.UNKNOWN
    add_prefix = bool(fields.get(f'{_PREFIX}add_space_prefix', True))
    pieces = {name: model.pieces[number].piece for name, number in ids.items()}
  except (KeyError, ValueError, TypeError, IndexError) as error:
    raise _unreadable(repr(error), where) from error
  trainer = model.trainer_spec
  trainer.model_type = trainer.BPE
  trainer.vocab_size = len(model.pieces)
  trainer.byte_fallback = any(
      piece.type == model.SentencePiece.BYTE for piece in model.pieces
  )
  for name, number in ids.items():
    setattr(trainer, f'{name}_id', number)
    setattr(trainer, f'{name}_piece', pieces[name])
  normalizer = model.normalizer_spec
  normalizer.name = 'identity'
  normalizer.add_dummy_prefix = add_prefix
  normalizer.remove_extra_whitespaces = False
  normalizer.escape_whitespaces = True
  return model.SerializeToString(deterministic=True)


def _unreadable(problem: str, where: object) -> InputError:
  return InputError(
      f'The tokenizer cannot be read: {problem}.',
      where=where,
      expected="the fields of a SentencePiece BPE model, llama.cpp's kind "
      f'{_BPE!r}',
      fix='Give the SentencePiece model itself, in a Hugging Face folder.',
  )
