# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A vocabulary as the files of a Hugging Face tokenizer."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
import tokenizers
from tokenizers import decoders
from tokenizers import models
from tokenizers import normalizers
from tokenizers import pre_tokenizers
from tokenizers import processors

from plum_jax.pretrained.hugging_face_reader import SENTENCEPIECE

TOKENIZER, TOKENIZER_CONFIG = 'tokenizer.json', 'tokenizer_config.json'
_SPACE = '▁'
# SentencePiece takes user-defined pieces out of a text before it looks at the
# rest. Here they only compete, so a piece counts more than any text can.
_SCORE_PER_CHARACTER = 100.0
# The class is made at import, where type checkers do not see it.
_proto: Any = sentencepiece_model_pb2


def write(directory: str | os.PathLike[str], model: bytes) -> None:
  """Writes `spiece.model`, `tokenizer.json` and `tokenizer_config.json`.

  `T5Tokenizer` and `AutoTokenizer` then give the ids of the SentencePiece
  model, SID tokens and sentinels included. These are pieces like any other, not
  the tokenizer's own special tokens, so `extra_ids` is 0.

  Args:
    directory: an existing folder.
    model: a vocabulary's SentencePiece model, serialized.
  """
  directory = pathlib.Path(directory)
  (directory / SENTENCEPIECE).write_bytes(model)
  make(model).save(str(directory / TOKENIZER))
  pieces = _proto.ModelProto.FromString(model).pieces
  values = {
      'tokenizer_class': 'T5Tokenizer',
      **{
          f'{name}_token': pieces[number].piece
          for name, number in special_ids(model).items()
      },
      'extra_ids': 0,
      'legacy': False,
  }
  (directory / TOKENIZER_CONFIG).write_text(
      json.dumps(values, indent=2) + '\n', 'utf-8'
  )


def special_ids(model: bytes) -> dict[str, int]:
  """Returns the ids `pad`, `eos` and `unk` of a SentencePiece model."""
  processor = sentencepiece.SentencePieceProcessor()
  processor.LoadFromSerializedProto(model)
  return {
      'pad': processor.pad_id(),
      'eos': processor.eos_id(),
      'unk': processor.unk_id(),
  }


def make(model: bytes) -> tokenizers.Tokenizer:
  """Returns a tokenizer with the ids of a SentencePiece model.

  Args:
    model: a unigram model of T5's kind, serialized.

  Returns:
    It splits at spaces as `T5Tokenizer` does and ends each text with the
    end-of-sequence token.
  """
  proto = _proto.ModelProto.FromString(model)
  ids = special_ids(model)
  user_defined = proto.SentencePiece.USER_DEFINED
  tokenizer = tokenizers.Tokenizer(
      models.Unigram(
          [
              (
                  p.piece,
                  len(p.piece) * _SCORE_PER_CHARACTER
                  if p.type == user_defined
                  else p.score,
              )
              for p in proto.pieces
          ],
          unk_id=ids['unk'],
          byte_fallback=False,
      )
  )
  if proto.normalizer_spec.precompiled_charsmap:
    tokenizer.normalizer = normalizers.Precompiled(
        proto.normalizer_spec.precompiled_charsmap
    )
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
      [
          pre_tokenizers.WhitespaceSplit(),
          pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme='always'),
      ]
  )
  tokenizer.decoder = decoders.Metaspace(
      replacement=_SPACE, prepend_scheme='always'
  )
  end = proto.pieces[ids['eos']].piece
  tokenizer.post_processor = processors.TemplateProcessing(
      single=f'$A {end}',
      pair=f'$A {end} $B {end}',
      special_tokens=[(end, ids['eos'])],
  )
  tokenizer.add_special_tokens(
      [proto.pieces[number].piece for number in ids.values()]
  )
  return tokenizer
